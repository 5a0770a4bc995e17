"""Configuration of `python -m axon.aggregator`: flags, then `AXON_*`, then a TOML file, then the defaults.

The TOML file has the flags' long names as keys (``rpc = "http://…"``, ``tracker = ["http://…"]``); a table
named after a command overrides for that command. The environment has them in capitals: ``AXON_RPC``; lists
are separated by spaces. Unknown keys of the file are refused; unknown variables are not, for other
programs share the prefix.
"""

import argparse
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, NoReturn

from axon import __version__
from axon.errors import ConfigError
from axon.ids import Account, parse_account

__all__ = ["Config", "parse_config"]

MAX_EPOCH: Final = 1 << 32


@dataclass(frozen=True)
class Config:
    """What one run was asked to do; fields of other commands keep their defaults."""

    command: str
    json: bool = False
    quiet: bool = False
    # which epoch
    pool: Account | None = None
    epoch: int | None = None
    pools: Path | None = None  # rules as `rules` writes them
    receipts: tuple[Path, ...] = ()
    processes: int = 2
    # the chain
    rpc: str | None = None
    keystore: Path | None = None
    key_file: Path | None = None
    password_file: Path | None = None
    submitter: Account | None = None
    timeout: float = 180.0  # seconds that a transaction may take
    # the job
    tracker: tuple[str, ...] = ()
    torrent: Path | None = None
    blocks: int | None = None
    data: Path | None = None
    options: str = "onchain-100"
    dry_run: bool = False
    # files
    file: Path | None = None
    out: Path | None = None
    parquet: Path | None = None
    report: Path | None = None
    answer: Path | None = None
    submission: Path | None = None
    plot: Path | None = None
    # research
    seeds: int = 3
    quick: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help says more)\n")


def _count(least: int, most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ConfigError(f"{text!r}: want a number from {least} to {most}")
        return int(text)

    return convert


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise ConfigError(f"{text!r}: want seconds above 0")
    return seconds


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ConfigError(f"{text!r}: want http:// or https://")
    return text


# How one value is read, wherever it comes from; what --help says; what stands for it there.
_SETTINGS: Final[dict[str, tuple[Callable[[str], Any], str, str]]] = {
    "pool": (parse_account, "the pool's address", "ADDRESS"),
    "epoch": (_count(0, MAX_EPOCH - 1), "counted from 0", "N"),
    "pools": (Path, "the pool's rules, as `rules` writes them", "FILE"),
    "processes": (_count(1, 256), "that check signatures, when there are many (default 2)", "N"),
    "rpc": (_url, "a JSON-RPC node", "URL"),
    "keystore": (Path, "the wallet: an encrypted keystore", "FILE"),
    "key_file": (Path, "the wallet: a file with a secret key of 64 hexadecimal digits", "FILE"),
    "password_file": (Path, "the keystore's password (or AXON_PASSWORD)", "FILE"),
    "submitter": (parse_account, "whom the proof names (default: the wallet)", "ADDRESS"),
    "timeout": (_seconds, "that a transaction may take (default 180)", "SECONDS"),
    "tracker": (_url, "one of the pool's trackers; repeat for each", "URL"),
    "torrent": (Path, "the pool's torrent", "TORRENT"),
    "blocks": (_count(1, 1 << 36), "of 16 KiB in the torrent, instead of --torrent", "N"),
    "data": (Path, "the job's folder: run again with it to go on after anything", "DIR"),
    "options": (str, "a named set of the proof's parameters (default onchain-100)", "NAME"),
    "out": (Path, "write the result here", "FILE"),
    "parquet": (Path, "write the table as Parquet", "FILE"),
    "report": (Path, "write report.json and report.png into this folder", "DIR"),
    "answer": (Path, "the tracker's answer to the submission, as it came", "FILE"),
    "submission": (Path, "the receipts that were submitted, 236 bytes each", "FILE"),
    "plot": (Path, "draw the result", "PNG"),
    "seeds": (_count(1, 1000), "swarms drawn for each row (default 3)", "N"),
}
_SWITCHES: Final = {
    "json": "print JSON for programs",
    "quiet": "print no progress",
    "dry_run": "stop before the transaction",
    "quick": "leave out what takes long",
}
_LISTS: Final = ("tracker",)


def parse_config(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Config:
    """Read the command line, and what it leaves open from `environ` and the TOML file.

    Raises
    ------
    ConfigError
        If the environment or the file is wrong. (A wrong command line exits with 2, as argparse does.)
    """
    given = vars(_parser().parse_args(argv))
    layers = _from_file(given.pop("config", None), str(given["command"]), environ)
    layers |= _from_environment(environ)
    known = {field.name for field in fields(Config)}
    merged: dict[str, Any] = {name: value for name, value in (layers | given).items() if name in known}
    for name, value in merged.items():
        if isinstance(value, list):
            merged[name] = tuple(value)
    return Config(**merged)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="axon aggregator",
        description="Turn an epoch's receipts into rewards: compute, prove, settle, check.",
        epilog="Every flag can also be set as AXON_NAME, or in a TOML file (--config, AXON_CONFIG).",
    )
    parser.add_argument("--version", action="version", version=f"axon {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str, *settings: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = commands.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
        )
        sub.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of defaults")
        for setting in (*settings, "json", "quiet"):
            _option(sub, setting)
        return sub

    local = ("pools", "pool", "epoch", "processes")
    shares = command("shares", "rewards of an epoch, from receipts in files", *local, "parquet", "report")
    proof = command(
        "prove", "prove the rewards of receipts in files", *local, "options", "submitter", "out", "report"
    )
    for sub in (shares, proof):
        sub.add_argument(
            "receipts", nargs="+", type=Path, metavar="RECEIPTS", help="logs (SQLite), .parquet or .jsonl"
        )
    check = command(
        "verify", "check a proof file, or a settled epoch from chain data alone", "rpc", "pool", "epoch"
    )
    check.add_argument("file", nargs="?", type=Path, metavar="PROOF", help="as `prove` writes it")
    wallet = ("keystore", "key_file", "password_file", "timeout")
    chain = ("rpc", "pool", "epoch")
    job = ("tracker", "torrent", "blocks", "data", "options", "processes", "submitter", "dry_run", "report")
    command(
        "settle", "collect, prove and settle an epoch; goes on where it was cut off", *chain, *wallet, *job
    )
    command(
        "rules",
        "write a pool's rules for trackers and for `shares`",
        "rpc",
        "pool",
        "torrent",
        "blocks",
        "out",
    )
    command("matrix", "what each peer gets of each token in a settled epoch", *chain, "parquet")
    command(
        "omissions",
        "receipts that a tracker signed for and does not hand out",
        *("tracker", "answer", "submission"),
    )
    command("simulate", "attackers against reward functions", "seeds", "quick", "plot")
    command("bench", "time epochs: edges, shares, proof", "quick")
    return parser


def _option(parser: argparse.ArgumentParser, name: str) -> None:
    flag = "--" + name.replace("_", "-")
    absent = argparse.SUPPRESS  # only what was really said wins over the environment
    if name in _SWITCHES:
        parser.add_argument(flag, action="store_const", const=True, default=absent, help=_SWITCHES[name])
        return
    read, text, metavar = _SETTINGS[name]
    action = "append" if name in _LISTS else "store"
    parser.add_argument(flag, action=action, type=_checked(read), metavar=metavar, help=text, default=absent)


def _checked(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert_or_complain(text: str) -> Any:
        try:
            return convert(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert_or_complain


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found = dict[str, Any]()
    for name in (*_SETTINGS, *_SWITCHES):
        variable = "AXON_" + name.upper()
        text = environ.get(variable)
        if text is not None:
            found[name] = _convert(name, text.split() if name in _LISTS else text, variable)
    return found


def _from_file(path: Path | None, command: str, environ: Mapping[str, str]) -> dict[str, Any]:
    asked = path or (Path(environ["AXON_CONFIG"]) if environ.get("AXON_CONFIG") else None)
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = asked or home / "axon" / "aggregator.toml"
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
        if name not in _SETTINGS and name not in _SWITCHES:
            raise ConfigError(f"{path}: unknown setting {key!r}")
        found[name] = _convert(name, value, f"{path}: {key}")
    return found


def _convert(name: str, value: Any, where: str) -> Any:
    try:
        if name in _SWITCHES:
            flags = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
            return flags[str(value).lower()]
        if name in _LISTS:
            if not isinstance(value, list):
                raise ConfigError(f"{value!r} is not a list")
            return [_SETTINGS[name][0](str(item)) for item in value]
        return _SETTINGS[name][0](str(value))
    except KeyError:
        raise ConfigError(f"{where}: {value!r} is neither true nor false") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
