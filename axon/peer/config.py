"""Configuration of `python -m axon.peer`: flags, then `AXON_*`, then a TOML file, then the defaults.

The TOML file has the flags' long names as keys (``max-up = "2M"``, ``peer = ["h:1"]``);
a table named after a command overrides for that command. The environment has them in capitals:
``AXON_MAX_UP=2M``; lists are separated by spaces. Unknown keys of the file are refused; unknown
variables are not, for other programs share the prefix.
"""

import argparse
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NoReturn

from axon import __version__
from axon.errors import ConfigError

__all__ = ["DEFAULT_LISTEN", "Address", "Config", "parse_address", "parse_config", "parse_rate", "parse_size"]

ON_CHAIN = ("pools", "join", "leave", "claim")  # commands of `axon.chain.peer_commands`
Address = tuple[str, int]  # host or IP literal without brackets, port
DEFAULT_LISTEN = (("::", 6881), ("0.0.0.0", 6881))
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


@dataclass(frozen=True)
class Config:
    """What one run was asked to do; fields of other commands keep their defaults."""

    command: str
    torrent: tuple[str, ...] = ()
    path: Path | None = None
    output: Path | None = None
    dir: Path = Path()
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    # who to talk to
    peer: tuple[Address, ...] = ()
    listen: tuple[Address, ...] = DEFAULT_LISTEN
    announce: tuple[str, ...] = ()
    no_trackers: bool = False
    no_pex: bool = False
    no_dht: bool = False
    max_connections: int = 200
    half_open: int = 20
    slots: int = 8
    # how
    seed: bool = False
    files: str | None = None
    sequential: bool = False
    super_seed: bool = False
    max_down: float | None = None
    max_up: float | None = None
    torrent_max_down: float | None = None
    torrent_max_up: float | None = None
    # receipts
    data: Path = Path()
    key: Path | None = None
    no_receipts: bool = False
    pool: str = "0x" + "00" * 20
    chain_id: int = 0
    epoch: int = 0
    export: Path | None = None
    # create
    version: Literal["v1", "v2", "hybrid"] = "hybrid"
    piece_length: int | None = None
    private: bool = False
    webseed: tuple[str, ...] = ()
    comment: str | None = None

    @property
    def key_path(self) -> Path:
        """The node key's file."""
        return self.key or self.data / "node.key"


def parse_address(text: str) -> Address:
    """Read ``HOST:PORT``, ``[IPV6]:PORT``, ``:PORT`` or ``PORT``.

    Raises
    ------
    ConfigError
        If the port is missing or not in 0..65535.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon and "]" not in text:
        host = ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"address {text!r}: put an IPv6 address in brackets, [::1]:6881")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigError(f"address {text!r}: want HOST:PORT with a port up to 65535")
    return host, int(port)


def parse_size(text: str) -> int:
    """Read bytes: ``65536``, ``64KiB``, ``64Ki``, ``1M``.

    Raises
    ------
    ConfigError
        If it is no number with a known unit.
    """
    bare = text.strip().upper().removesuffix("/S").removesuffix("B")
    number = bare.rstrip("KMGI")
    try:
        unit = _UNITS[bare[len(number) :]]
        size = int(number) * unit if number.isascii() and number.isdigit() else float(number) * unit
    except (ValueError, KeyError):
        raise ConfigError(f"size {text!r}: want a number and K, M, G, KiB, MiB or GiB") from None
    if not 0 <= size < 2**62:
        raise ConfigError(f"size {text!r} is out of range")
    return int(size)


def parse_rate(text: str) -> float | None:
    """Read bytes a second; 0 means no limit."""
    return float(parse_size(text)) or None


def parse_config(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Config:
    """Read the command line, and what it leaves open from `environ` and the TOML file.

    Raises
    ------
    ConfigError
        If the environment or the file is wrong. (A wrong command line exits with 2, as argparse does.)
    """
    parser = _parser(environ)
    given = vars(parser.parse_args(argv))
    command = str(given["command"])
    layered = _from_file(given.pop("config", None), command, environ) | _from_environment(environ)
    known = {field.name for field in fields(Config)}
    merged: dict[str, Any] = {name: value for name, value in layered.items() if name in known}
    merged |= {name: value for name, value in given.items() if name in known}
    merged.setdefault("data", _xdg(environ, "XDG_STATE_HOME", ".local/state") / "axon")
    for name, value in merged.items():
        if isinstance(value, list):
            merged[name] = tuple(value)
    return Config(**merged)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help says more)\n")


def _checked(convert: Any) -> Any:
    def convert_or_complain(text: str) -> Any:
        try:
            return convert(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert_or_complain


def _listen(text: str) -> tuple[Address, ...]:
    host, port = parse_address(text)
    return ((host, port),) if host else (("::", port), ("0.0.0.0", port))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"{text!r}: want a number from 0")
    return int(text)


# How the text of one value is read, wherever it comes from; lists take several.
_READ: dict[str, Any] = {
    "dir": Path,
    "data": Path,
    "key": Path,
    "output": Path,
    "export": Path,
    "peer": parse_address,
    "listen": _listen,
    "announce": str,
    "webseed": str,
    "files": str,
    "pool": str,
    "version": str,
    "comment": str,
    "max_down": parse_rate,
    "max_up": parse_rate,
    "torrent_max_down": parse_rate,
    "torrent_max_up": parse_rate,
    "piece_length": parse_size,
    "chain_id": _count,
    "epoch": _count,
    "max_connections": _count,
    "half_open": _count,
    "slots": _count,
}
_LISTS = ("peer", "announce", "webseed")
_SWITCHES = tuple(field.name for field in fields(Config) if field.type in (bool, "bool"))


def _option(parser: argparse._ActionsContainer, name: str, help_text: str, metavar: str = "") -> None:
    flag, short = "--" + name.replace("_", "-"), ["-o"] if name == "output" else []
    if name in _SWITCHES:
        parser.add_argument(flag, action="store_const", const=True, default=argparse.SUPPRESS, help=help_text)
    else:
        parser.add_argument(
            *short,
            flag,
            action="append" if name in _LISTS else "store",
            type=_checked(_READ[name]),
            metavar=metavar,
            help=help_text,
            default=argparse.SUPPRESS,  # only what was really said wins over the environment
        )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="axon peer",
        description="Download, seed and make torrents; give and keep signed receipts.",
        epilog=f"On a chain: {', '.join(ON_CHAIN)} (axon peer join --help)."
        " Every flag can also be set as AXON_NAME, or in a TOML file (--config, AXON_CONFIG).",
    )
    parser.add_argument("--version", action="version", version=f"axon {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = commands.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
        )
        sub.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of defaults")
        _option(sub, "json", "print JSON for programs")
        _option(sub, "quiet", "print no progress")
        _option(sub, "verbose", "print connections and why they end")
        return sub

    make = command("create", "make a torrent of a file or folder")
    make.add_argument("path", type=Path, metavar="PATH")
    _option(make, "output", "the torrent to write", "T")
    _option(make, "announce", "tracker; repeat for more tiers, commas within a tier", "URL")
    _option(make, "webseed", "HTTP seed (BEP 19)", "URL")
    _option(make, "piece_length", "a power of two, 16 KiB or more; by size if left out", "BYTES")
    _option(make, "private", "no DHT, no peer exchange (BEP 27)")
    _option(make, "comment", "for people", "TEXT")
    make.add_argument(
        "--version",
        choices=["v1", "v2", "hybrid"],
        default=argparse.SUPPRESS,
        help="BEP 3, BEP 52 or both (default)",
    )

    download = command("download", "download torrents or magnet links")
    download.add_argument("torrent", nargs="+", metavar="TORRENT|MAGNET")
    _option(download, "seed", "go on seeding once complete")
    _option(download, "files", "only these: numbers, ranges, patterns; =0..7 is the priority", "SEL,…")
    _option(download, "sequential", "in order, for playing while downloading")
    _transfer(download)
    seed = command("seed", "seed files that are there")
    seed.add_argument("torrent", nargs="+", metavar="TORRENT")
    _option(seed, "super_seed", "reveal pieces one by one (BEP 16), for the first seed of a torrent")
    _transfer(seed)

    show = command("show", "show what is in a torrent")
    show.add_argument("torrent", nargs=1, metavar="TORRENT")
    verify = command("verify", "check files against a torrent; exits 1 if anything is missing or wrong")
    verify.add_argument("torrent", nargs=1, metavar="TORRENT")
    _option(verify, "dir", "where the files are", "DIR")

    _identity(command("key", "show this node's public key; make one if there is none"))
    receipts = command("receipts", "show the latest receipt of every counterpart")
    _identity(receipts)
    _option(receipts, "export", "write the whole log: .parquet, else JSON lines; - is standard output", "F")
    return parser


def _transfer(parser: argparse.ArgumentParser) -> None:
    _option(parser, "dir", "the folder of the files (default: here)", "DIR")
    who = parser.add_argument_group("peers")
    _option(who, "peer", "connect to this peer; repeat for more", "HOST:PORT")
    _option(who, "listen", "accept peers here; port 0 lets the system choose (default :6881)", "HOST:PORT")
    _option(who, "announce", "another tracker", "URL")
    _option(who, "webseed", "another HTTP seed (BEP 19)", "URL")
    _option(who, "no_trackers", "ask no tracker")
    _option(who, "no_pex", "no peer exchange")
    _option(who, "no_dht", "no DHT (this version has none)")
    _option(who, "max_connections", "of the whole process (default 200)", "N")
    _option(who, "half_open", "connection attempts at once (default 20)", "N")
    _option(who, "slots", "peers unchoked at once for each torrent (default 8)", "N")
    rates = parser.add_argument_group("rates, bytes a second (500K, 2MiB; 0 is no limit)")
    for name, what in (("max_down", "download"), ("max_up", "upload")):
        _option(rates, name, f"{what} of the whole process", "RATE")
        _option(rates, f"torrent_{name}", f"{what} of each torrent", "RATE")
    receipts = parser.add_argument_group("receipts")
    _identity(receipts)
    _option(receipts, "no_receipts", "be an ordinary client")
    _option(receipts, "pool", "the reward pool's address", "ADDRESS")
    _option(receipts, "chain_id", "of the pool's chain", "N")
    _option(receipts, "epoch", "of the pool", "N")


def _identity(parser: argparse._ActionsContainer) -> None:
    _option(parser, "data", "node key, receipts and resume data (default: ~/.local/state/axon)", "DIR")
    _option(parser, "key", "the node key's file (default: node.key in --data)", "FILE")


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found = dict[str, Any]()
    for field in fields(Config):
        name = "AXON_" + field.name.upper()
        text = environ.get(name)
        if text is None or (field.name not in _READ and field.name not in _SWITCHES):
            continue
        value: Any = text.split() if field.name in _LISTS else text
        found[field.name] = _convert(field.name, value, name)
    return found


def _from_file(path: Path | None, command: str, environ: Mapping[str, str]) -> dict[str, Any]:
    asked = path or (Path(environ["AXON_CONFIG"]) if environ.get("AXON_CONFIG") else None)
    path = asked or _xdg(environ, "XDG_CONFIG_HOME", ".config") / "axon" / "peer.toml"
    if asked is None and not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    commands = {key: value for key, value in table.items() if isinstance(value, dict)}
    flat = {key: value for key, value in table.items() if key not in commands} | commands.get(command, {})
    found = dict[str, Any]()
    for key, value in flat.items():
        name = key.replace("-", "_")
        if name not in _READ and name not in _SWITCHES:
            raise ConfigError(f"{path}: unknown setting {key!r}")
        found[name] = _convert(name, value, f"{path}: {key}")
    return found


def _convert(name: str, value: Any, where: str) -> Any:
    try:
        if name in _SWITCHES:
            if isinstance(value, bool):
                return value
            flag = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
            return flag[str(value).lower()]
        if name in _LISTS:
            if not isinstance(value, list):
                raise ConfigError(f"{value!r} is not a list")
            return [_READ[name](str(item)) for item in value]
        return _READ[name](str(value))
    except KeyError:
        raise ConfigError(f"{where}: {value!r} is neither true nor false") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    return Path(environ[variable]) if environ.get(variable) else Path.home() / fallback
