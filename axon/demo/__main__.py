"""`axon demo [FILE] [--peers N] [--out DIR] [--rpc URL]`: the whole of Axon on loopback."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from axon.errors import AxonError, ConfigError

if TYPE_CHECKING:
    from axon.demo.chain import DemoChain

__all__ = ["main"]

_OPTIONS = "onchain-100"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if everybody was paid, 1 with one line on stderr otherwise."""
    args = _parser().parse_args(argv)
    failed: list[AxonError] = []
    interrupted = False
    try:
        _run(args)
    except* AxonError as group:
        failed += _leaves(group)
    except* KeyboardInterrupt:
        print("axon demo: interrupted", file=sys.stderr)
        interrupted = True
    if interrupted:
        return 130
    for error in failed[:1]:  # the others followed from it
        print(f"axon demo: {error}", file=sys.stderr)
    return 1 if failed else 0


def _leaves(group: BaseExceptionGroup[AxonError]) -> list[AxonError]:
    leaves = list[AxonError]()
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="axon demo", description="From a real swarm to claimed rewards.")
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="what to host (default: 64 random MiB)"
    )
    parser.add_argument("--peers", type=int, default=6, metavar="N", help="downloaders, from 3 (default 6)")
    parser.add_argument("--size", type=int, default=64, metavar="MIB", help="of the random file (default 64)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep proof, plots and logs here")
    parser.add_argument("--json", action="store_true", help="print JSON")
    node = parser.add_argument_group("a node instead of an EVM in this process")
    node.add_argument("--rpc", metavar="URL", help="JSON-RPC node")
    node.add_argument("--key-file", type=Path, metavar="FILE", help="secret key of a funded account")
    node.add_argument(
        "--mnemonic", metavar="WORDS", help="its mnemonic (default: the one that development nodes fund)"
    )
    node.add_argument(
        "--epoch-seconds",
        type=int,
        metavar="N",
        help="of an epoch, which must outlast the swarm (default: a day, or 120 where time cannot be moved)",
    )
    return parser


def _run(args: argparse.Namespace) -> None:
    if not 3 <= args.peers <= 32 or not 1 <= args.size <= 4096:
        raise ConfigError("--peers wants 3 to 32, --size 1 to 4096")
    if args.epoch_seconds is not None and not 10 <= args.epoch_seconds <= 1 << 30:
        raise ConfigError("--epoch-seconds wants 10 or more")
    if args.file is not None and not args.file.is_file():
        raise ConfigError(f"{args.file}: no such file")
    import trio
    from rich.console import Console

    from axon.demo.play import play
    from axon.demo.report import as_json, draw, show
    from axon.stark import named

    console = Console(stderr=args.json, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=args.json, highlight=False, width=112)
    options = named(_OPTIONS)
    out = args.out or Path(tempfile.mkdtemp(prefix="axon-demo-"))
    out.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}

    async def stage(title: str, work: Callable[[], Awaitable[str]]) -> None:
        started = time.perf_counter()
        with console.status(f"{title} …"):
            line = await work()
        seconds[title] = time.perf_counter() - started
        console.print(f"[green]✓[/] {title:<12} {seconds[title]:5.1f} s   {line}")

    try:
        outcome = trio.run(
            partial(play, args.file, args.size << 20, args.peers, out, lambda: _chain(args), options, stage)
        )
        outcome.seconds = seconds
        bits = options.security_bits(outcome.settled.epoch.air(options))
        if args.json:
            print(json.dumps(as_json(outcome, bits), indent=1))
        else:
            show(console, outcome, options, bits)
        if args.out is not None:
            draw(outcome, out / "rewards.png")
            console.print(f"Proof, plot, receipts and logs are in {out}.")
    finally:
        if args.out is None:
            shutil.rmtree(out, ignore_errors=True)


def _chain(args: argparse.Namespace) -> "DemoChain":
    if args.rpc:
        from axon.demo.node import node_demo_chain

        return node_demo_chain(args.rpc, args.key_file, args.mnemonic, args.epoch_seconds)
    from axon.chain.embedded import EmbeddedAccount, EmbeddedChain
    from axon.demo.chain import DemoChain

    chain = EmbeddedChain(EmbeddedAccount.named("publisher"), start=int(time.time()))
    return DemoChain(chain, EmbeddedAccount.named, chain.travel)


if __name__ == "__main__":
    sys.exit(main())
