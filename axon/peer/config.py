"""Configuration of `python -m axon.peer`; where settings may come from is `axon.settings`'s.

Variables are ``AXON_MAX_UP`` or, where another program reads the same environment, ``AXON_PEER_MAX_UP``.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from axon import __version__
from axon.errors import ConfigError
from axon.ids import format_account, parse_account
from axon.peer.policy import Policy
from axon.settings import Layers, Parser, Setting, parse_command, switch

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
    dht_bootstrap: tuple[Address, ...] = ()
    dht_read_only: bool = False
    max_connections: int = 200
    torrent_max_connections: int | None = None
    encryption: Policy = Policy.ALLOW
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
    epoch: int | None = None
    epoch_start: int | None = None  # seconds since 1970
    epoch_length: int | None = None  # seconds
    rpc: str | None = None
    export: Path | None = None
    omissions: Path | None = None
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
    """Read the command line, and what it leaves open from the environment and the TOML file.

    Raises
    ------
    ConfigError
        If the environment or the file is wrong, or settings contradict each other. (A wrong command
        line exits with 2, as argparse does.)
    """
    parser, commands = _parser()
    merged = _LAYERS.merge(parse_command(parser, commands, argv), environ)
    merged.setdefault("data", Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "axon")
    known = {field.name for field in fields(Config)}
    config = Config(**{name: value for name, value in merged.items() if name in known})
    if (config.epoch_start is None) != (config.epoch_length is None):
        raise ConfigError("--epoch-start and --epoch-length belong together")
    return config


def _listen(text: str) -> tuple[Address, ...]:
    host, port = parse_address(text)
    return ((host, port),) if host else (("::", port), ("0.0.0.0", port))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"{text!r}: want a number from 0")
    return int(text)


def _seconds(text: str) -> int:
    if not _count(text):
        raise ConfigError("want seconds above 0")
    return int(text)


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ConfigError(f"{text!r}: want http:// or https://")
    return text


def _account(text: str) -> str:
    return format_account(parse_account(text))


def _policy(text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        raise ConfigError(f"{text!r}: want {', '.join(Policy)}") from None


def _version(text: str) -> str:
    if text not in ("v1", "v2", "hybrid"):
        raise ConfigError(f"{text!r}: want v1, v2 or hybrid")
    return text


_SETTINGS = {
    "json": switch("print JSON for programs"),
    "quiet": switch("print no progress"),
    "verbose": switch("print connections and why they end"),
    "dir": Setting(Path, "the folder of the files (default: here)", "DIR"),
    "files": Setting(str, "only these: numbers, ranges, patterns; =0..7 is the priority", "SEL,…"),
    "seed": switch("go on seeding once complete"),
    "sequential": switch("in order, for playing while downloading"),
    "super_seed": switch("reveal pieces one by one (BEP 16), for the first seed of a torrent"),
    # peers
    "peer": Setting(parse_address, "connect to this peer; repeat for more", "HOST:PORT", many=True),
    "listen": Setting(
        _listen, "accept peers here; port 0 lets the system choose (default :6881)", "HOST:PORT"
    ),
    "announce": Setting(str, "another tracker", "URL", many=True),
    "webseed": Setting(str, "another HTTP seed (BEP 19)", "URL", many=True),
    "no_trackers": switch("ask no tracker"),
    "no_pex": switch("no peer exchange"),
    "no_dht": switch("no DHT: neither socket nor search"),
    "dht_bootstrap": Setting(
        parse_address, "a DHT node to begin at; repeat for more (default: none)", "HOST:PORT", many=True
    ),
    "dht_read_only": switch("ask the DHT, but answer nobody (BEP 43)"),
    "max_connections": Setting(_count, "of the whole process (default 200)", "N"),
    "torrent_max_connections": Setting(_count, "of each torrent (default: no limit of its own)", "N"),
    "encryption": Setting(
        _policy, "off, allow (default: plain first), prefer (encrypted first), require (RC4 only)", "POLICY"
    ),
    "half_open": Setting(_count, "connection attempts at once (default 20)", "N"),
    "slots": Setting(_count, "peers unchoked at once for each torrent (default 8)", "N"),
    # rates
    "max_down": Setting(parse_rate, "download of the whole process", "RATE"),
    "torrent_max_down": Setting(parse_rate, "download of each torrent", "RATE"),
    "max_up": Setting(parse_rate, "upload of the whole process", "RATE"),
    "torrent_max_up": Setting(parse_rate, "upload of each torrent", "RATE"),
    # receipts
    "data": Setting(Path, "node key, receipts and resume data (default: ~/.local/state/axon)", "DIR"),
    "key": Setting(Path, "the node key's file (default: node.key in --data)", "FILE"),
    "no_receipts": switch("be an ordinary client"),
    "pool": Setting(_account, "the reward pool's address", "ADDRESS"),
    "chain_id": Setting(_count, "of the pool's chain; with --rpc the node says", "N"),
    "rpc": Setting(_url, "a JSON-RPC node that knows when the pool's epochs are", "URL"),
    "epoch_start": Setting(_count, "when epoch 0 begins, seconds since 1970, without --rpc", "SECONDS"),
    "epoch_length": Setting(_seconds, "of the pool, without --rpc", "SECONDS"),
    # An aggregator's epoch is over, a peer's is running: they do not share a variable.
    "epoch": Setting(_count, "stay in this one, without --rpc (default 0)", "N", shared=False),
    "export": Setting(Path, "write the whole log: .parquet, else JSON lines; - is standard output", "F"),
    "omissions": Setting(
        Path, "ask trackers for what they signed for; write proofs of what they leave out here", "DIR"
    ),
    # create
    "output": Setting(Path, "the torrent to write", "T", short="-o"),
    "version": Setting(_version, "v1 (BEP 3), v2 (BEP 52) or hybrid (default)", "FORM"),
    "piece_length": Setting(parse_size, "a power of two, 16 KiB or more; by size if left out", "BYTES"),
    "private": switch("no DHT, no peer exchange (BEP 27)"),
    "comment": Setting(str, "for people", "TEXT"),
}
_LAYERS = Layers("peer", _SETTINGS)


def _parser() -> tuple[Parser, Mapping[str, argparse.ArgumentParser]]:
    parser = Parser(
        prog="axon peer",
        description="Download, seed and make torrents; give and keep signed receipts.",
        epilog=f"On a chain: {', '.join(ON_CHAIN)} (axon peer join --help). Every flag can also be set as"
        " AXON_NAME or AXON_PEER_NAME, or in a TOML file (--config, AXON_CONFIG).",
    )
    parser.add_argument("--version", action="version", version=f"axon {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = commands.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
        )
        _LAYERS.add_config(sub)
        _add(sub, "json", "quiet", "verbose")
        return sub

    make = command("create", "make a torrent of a file or folder")
    make.add_argument("path", type=Path, metavar="PATH")
    _LAYERS.add(make, "announce", "tracker; repeat for more tiers, commas within a tier")
    _LAYERS.add(make, "webseed", "HTTP seed (BEP 19)")
    _add(make, "output", "piece_length", "private", "comment", "version")

    download = command("download", "download torrents or magnet links")
    download.add_argument("torrent", nargs="+", metavar="TORRENT|MAGNET")
    _add(download, "seed", "files", "sequential")
    _transfer(download)
    seed = command("seed", "seed files that are there")
    seed.add_argument("torrent", nargs="+", metavar="TORRENT")
    _add(seed, "super_seed")
    _transfer(seed)

    show = command("show", "show what is in a torrent")
    show.add_argument("torrent", nargs=1, metavar="TORRENT")
    verify = command("verify", "check files against a torrent; exits 1 if anything is missing or wrong")
    verify.add_argument("torrent", nargs=1, metavar="TORRENT")
    _LAYERS.add(verify, "dir", "where the files are")

    _add(command("key", "show this node's public key; make one if there is none"), "data", "key")
    _add(
        command("receipts", "show the latest receipt of every counterpart"),
        "data",
        "key",
        "export",
        "omissions",
    )
    return parser, commands.choices


def _add(parser: argparse._ActionsContainer, *names: str) -> None:
    for name in names:
        _LAYERS.add(parser, name)


def _transfer(parser: argparse.ArgumentParser) -> None:
    _add(parser, "dir")
    who = parser.add_argument_group("peers")
    _add(who, "peer", "listen", "announce", "webseed", "no_trackers", "no_pex")
    _add(who, "no_dht", "dht_bootstrap", "dht_read_only", "encryption")
    _add(who, "max_connections", "torrent_max_connections", "half_open", "slots")
    rates = parser.add_argument_group("rates, bytes a second (500K, 2MiB; 0 is no limit)")
    _add(rates, "max_down", "torrent_max_down", "max_up", "torrent_max_up")
    receipts = parser.add_argument_group("receipts")
    _add(receipts, "data", "key", "no_receipts", "pool", "chain_id")
    _add(receipts, "rpc", "epoch_start", "epoch_length", "epoch")
