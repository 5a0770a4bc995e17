"""The tracker's configuration: flags, then `AXON_TRACKER_*`, then a TOML file, then defaults."""

import argparse
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple

from axon import __version__
from axon.errors import ConfigError
from axon.ids import Account, parse_account

__all__ = ["Config", "Endpoint", "load_config", "parser"]


class Endpoint(NamedTuple):
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set; see `parser` for the meanings."""

    http: tuple[Endpoint, ...] = (Endpoint("0.0.0.0", 6969),)
    udp: tuple[Endpoint, ...] = (Endpoint("0.0.0.0", 6969),)
    data: Path | None = None
    allow_list: Path | None = None
    deny_list: Path | None = None
    pools: Path | None = None
    rpc: str | None = None
    pool: tuple[Account, ...] = ()
    torrent: tuple[Path, ...] = ()
    poll: int = 15
    interval: int = 1800
    min_interval: int = 900
    jitter: int = 180
    max_peers: int = 200
    memory: int = 1024
    id_window: int = 300
    connections: int = 20_000
    idle: int = 60
    receipts_per_minute: int = 20_000
    snapshot_every: int = 300
    keep_days: int = 30
    proxy: tuple[IPv4Network | IPv6Network, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    plain: bool = False
    json: bool = False
    log: str = "info"


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = argparse.ArgumentParser(
        prog="axon tracker",
        description="A BitTorrent tracker, HTTP and UDP in one process, that keeps signed accounts.",
        epilog="Each option is also AXON_TRACKER_<NAME> in the environment and <name> in the TOML file.",
    )
    p.add_argument("--version", action="version", version=f"axon {__version__}")
    a = p.add_argument
    a("--config", metavar="FILE", help="TOML file")
    a("--http", metavar="HOST:PORT", action="append", help="listen for HTTP (repeatable; none: off)")
    a("--udp", metavar="HOST:PORT", action="append", help="listen for UDP (repeatable; none: off)")
    a("--data", metavar="DIR", help="keys, receipts, accounts, swarms; without it nothing is kept")
    a("--allow-list", metavar="FILE", help="serve only these info-hashes, one a line; SIGHUP reads it again")
    a("--deny-list", metavar="FILE", help="never serve these; SIGHUP reads it again")
    a("--pools", metavar="FILE", help="JSON: reward pools, their epochs and members; SIGHUP reads it again")
    a("--rpc", metavar="URL", help="a JSON-RPC node, to read the pools that --pool names; needs --data")
    a("--pool", metavar="ADDRESS", action="append", help="a reward pool on the chain (repeatable)")
    a("--torrent", metavar="FILE", action="append", help="of a --pool (repeatable): the chain has no sizes")
    a("--poll", metavar="SECONDS", help="between looks at the chain (15)")
    a("--interval", metavar="SECONDS", help="between announces (1800)")
    a("--min-interval", metavar="SECONDS", help="between announces at least (900)")
    a("--jitter", metavar="SECONDS", help="added to the interval at random (180)")
    a("--max-peers", metavar="N", help="in one answer at most (200)")
    a("--memory", metavar="MIB", help="budget for swarms; beyond it new torrents are refused (1024)")
    a("--id-window", metavar="SECONDS", help="a UDP connection id lives one to two of these (300)")
    a("--connections", metavar="N", help="HTTP connections at once (20000)")
    a("--idle", metavar="SECONDS", help="before a silent HTTP connection is closed (60)")
    a("--receipts-per-minute", metavar="N", help="taken from one address (20000)")
    a("--snapshot-every", metavar="SECONDS", help="save the swarms (300)")
    a("--keep-days", metavar="N", help="days that signed announces are kept (30)")
    a("--proxy", metavar="NETWORK", action="append", help="believe X-Forwarded-For from here (repeatable)")
    a("--tls-cert", metavar="FILE", help="serve HTTPS with this certificate chain")
    a("--tls-key", metavar="FILE", help="and this key")
    a("--plain", action="store_true", default=None, help="do not use compiled kernels")
    a("--json", action="store_true", default=None, help="print the addresses, and log, as JSON")
    a("--log", metavar="LEVEL", help="debug, info, warning or error (info)")
    return p


def load_config(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Merge all sources.

    Raises
    ------
    ConfigError
        If a value is wrong or a name unknown; the message says where it came from.
    """
    flags = {name: value for name, value in vars(parser().parse_args(argv)).items() if value is not None}
    environ = os.environ if environ is None else environ
    prefix = "AXON_TRACKER_"
    env = {k.removeprefix(prefix).lower(): v for k, v in environ.items() if k.startswith(prefix)}
    path = flags.pop("config", None) or env.pop("config", None)
    merged: dict[str, Any] = {}
    for source, values in (
        (str(path), _read_toml(Path(path)) if path else {}),
        ("environment", env),
        ("flag", flags),
    ):
        for name, value in values.items():
            try:
                merged[name.replace("-", "_")] = _convert(name.replace("-", "_"), value)
            except (ValueError, TypeError, ConfigError) as error:
                raise ConfigError(f"{source}: {name} = {value!r}: {error}") from error
    config = Config(**merged)
    if config.min_interval > config.interval:
        config = Config(**(merged | {"min_interval": config.interval}))
    if bool(config.tls_cert) != bool(config.tls_key):
        raise ConfigError("tls-cert and tls-key: want both or neither")
    if bool(config.rpc) != bool(config.pool) or (config.pool and not (config.torrent and config.data)):
        raise ConfigError("rpc and pool: want both or neither, and then torrent and data")
    return config


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    inner = table.get("tracker", table)
    return dict(inner) if isinstance(inner, dict) else {}


_LIMITS = {
    "interval": (1, 86400),
    "min_interval": (0, 86400),
    "jitter": (0, 3600),
    "max_peers": (1, 200),
    "memory": (1, 1 << 20),
    "id_window": (1, 3600),
    "connections": (1, 1 << 20),
    "idle": (1, 3600),
    "receipts_per_minute": (1, 1 << 30),
    "snapshot_every": (1, 86400),
    "keep_days": (1, 36500),
    "poll": (1, 86400),
}


def _convert(name: str, value: Any) -> Any:
    if name not in {field.name for field in fields(Config)}:
        raise ValueError("no such setting")
    if name in _LISTS:
        items = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(items, list):
            raise TypeError("want a list")
        return tuple(_LISTS[name](item) for item in items if item not in ("", "none"))
    if name == "rpc":
        if not str(value).startswith(("http://", "https://")):
            raise ValueError("want http:// or https://")
        return str(value)
    if name in _LIMITS:
        low, high = _LIMITS[name]
        number = int(value)
        if not low <= number <= high:
            raise ValueError(f"want {low}..{high}")
        return number
    if name in ("plain", "json"):
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes", "on")
    if name == "log":
        if value not in ("debug", "info", "warning", "error"):
            raise ValueError("want debug, info, warning or error")
        return value
    return Path(value)


def _endpoint(text: str) -> Endpoint:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError("want HOST:PORT")
    return Endpoint(host.strip("[]") or "0.0.0.0", int(port))


_LISTS: dict[str, Callable[[str], Any]] = {
    "http": _endpoint,
    "udp": _endpoint,
    "proxy": ip_network,
    "pool": parse_account,
    "torrent": Path,
}
