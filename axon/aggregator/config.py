"""Configuration of `python -m axon.aggregator`; where settings may come from is `axon.settings`'s.

The job's folder is ``AXON_AGGREGATOR_DATA`` in the environment, for ``AXON_DATA`` is the peer's.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from axon import __version__
from axon.errors import ConfigError
from axon.ids import Account, parse_account
from axon.settings import Layers, Parser, Setting, switch

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
    wait: bool = False
    # files
    file: Path | None = None
    out: Path | None = None
    parquet: Path | None = None
    report: Path | None = None
    calldata: Path | None = None
    answer: Path | None = None
    submission: Path | None = None
    plot: Path | None = None
    # research
    seeds: int = 3
    quick: bool = False


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


_LAYERS: Final = Layers(
    "aggregator",
    {
        "pool": Setting(parse_account, "the pool's address", "ADDRESS"),
        "epoch": Setting(_count(0, MAX_EPOCH - 1), "counted from 0", "N"),
        "pools": Setting(Path, "the pool's rules, as `rules` writes them", "FILE"),
        "processes": Setting(_count(1, 256), "that check signatures, when there are many (default 2)", "N"),
        "rpc": Setting(_url, "a JSON-RPC node", "URL"),
        "keystore": Setting(Path, "the wallet: an encrypted keystore", "FILE"),
        "key_file": Setting(Path, "the wallet: a file with a secret key of 64 hexadecimal digits", "FILE"),
        "password_file": Setting(Path, "the keystore's password (or AXON_PASSWORD)", "FILE"),
        "submitter": Setting(parse_account, "whom the proof names (default: the wallet)", "ADDRESS"),
        "timeout": Setting(_seconds, "that a transaction may take (default 180)", "SECONDS"),
        "tracker": Setting(_url, "one of the pool's trackers; repeat for each", "URL", many=True),
        "torrent": Setting(Path, "the pool's torrent", "TORRENT"),
        "blocks": Setting(_count(1, 1 << 36), "of 16 KiB in the torrent, instead of --torrent", "N"),
        "data": Setting(
            Path, "the job's folder: run again with it to go on after anything", "DIR", shared=False
        ),
        "options": Setting(str, "a named set of the proof's parameters (default onchain-100)", "NAME"),
        "out": Setting(Path, "write the result here", "FILE"),
        "parquet": Setting(Path, "write the table as Parquet", "FILE"),
        "report": Setting(Path, "write report.json and report.png into this folder", "DIR"),
        "calldata": Setting(Path, "of the call that settled, if another contract made it", "FILE"),
        "answer": Setting(Path, "the tracker's answer to the submission, as it came", "FILE"),
        "submission": Setting(Path, "the receipts that were submitted, 236 bytes each", "FILE"),
        "plot": Setting(Path, "draw the result", "PNG"),
        "seeds": Setting(_count(1, 1000), "swarms drawn for each row (default 3)", "N"),
        "json": switch("print JSON for programs"),
        "quiet": switch("print no progress"),
        "dry_run": switch("stop before the transaction"),
        "wait": switch("wait for the end of the epoch"),
        "quick": switch("leave out what takes long"),
    },
)


def parse_config(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Config:
    """Read the command line, and what it leaves open from `environ` and the TOML file.

    Raises
    ------
    ConfigError
        If the environment or the file is wrong. (A wrong command line exits with 2, as argparse does.)
    """
    merged: dict[str, Any] = _LAYERS.merge(_parser().parse_args(argv), environ)
    known = {field.name for field in fields(Config)}
    return Config(**{name: value for name, value in merged.items() if name in known})


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="axon aggregator",
        description="Turn an epoch's receipts into rewards: compute, prove, settle, check.",
        epilog="Every flag can also be set as AXON_AGGREGATOR_NAME, or as AXON_NAME (but for --data, which is"
        " the peer's there), or in a TOML file (--config, AXON_CONFIG).",
    )
    parser.add_argument("--version", action="version", version=f"axon {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str, *settings: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = commands.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
        )
        _LAYERS.add_config(sub)
        for setting in (*settings, "json", "quiet"):
            _LAYERS.add(sub, setting)
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
        "verify",
        "check a proof file, or a settled epoch from chain data alone",
        "rpc",
        "pool",
        "epoch",
        "calldata",
    )
    check.add_argument("file", nargs="?", type=Path, metavar="PROOF", help="as `prove` writes it")
    wallet = ("keystore", "key_file", "password_file", "timeout")
    chain = ("rpc", "pool", "epoch")
    job = (
        "tracker",
        "torrent",
        "blocks",
        "data",
        "options",
        "processes",
        "submitter",
        "dry_run",
        "wait",
        "report",
    )
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
