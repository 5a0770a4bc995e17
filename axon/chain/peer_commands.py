"""``python -m axon.peer pools|join|leave|claim``: for those who serve a torrent and are paid for it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from axon.chain.artifacts import artifact
from axon.chain.chain import Chain
from axon.chain.commands import _torrent, report
from axon.chain.connect import add_connection, connect, load_deployment
from axon.chain.contract import Contract
from axon.chain.pool import Pool, pools_of
from axon.errors import AxonError, ConfigError
from axon.ids import Account, format_account, parse_account
from axon.keys import NodeSecret
from axon.receipts import sign_binding

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 1 with one line on what is wrong."""
    parser = argparse.ArgumentParser(prog="axon peer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, run: Callable[[argparse.Namespace, Chain], dict[str, Any]], text: str) -> Any:
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        add_connection(command)
        return command

    add("pools", _pools, "list the pools that pay for a torrent").add_argument(
        "torrent", help=".torrent file, or info-hash"
    )
    join = add("join", _join, "be paid for what a node uploads")
    join.add_argument("pool")
    join.add_argument("--key", type=Path, required=True, metavar="FILE", help="the node's key")
    add("leave", _leave, "stop earning after the current epoch").add_argument("pool")
    claim = add("claim", _claim, "get paid for all settled epochs")
    claim.add_argument("pool")
    claim.add_argument("--epoch", type=int, action="append", metavar="N", help="only these")
    claim.add_argument("--index", type=int, help="of another member: pays its account")
    args = parser.parse_args(argv)
    try:
        command: Callable[[argparse.Namespace, Chain], dict[str, Any]] = args.run
        report(command(args, connect(args)), args.json)
    except AxonError as error:
        print(f"axon peer: {error}", file=sys.stderr)
        return 1
    return 0


def _pools(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    info_hash, _ = _torrent(args.torrent)
    found = []
    for pool in pools_of(chain, load_deployment(args, chain), info_hash):
        terms = pool.terms()
        found.append(
            {
                "pool": format_account(pool.address),
                "epoch": f"{pool.current_epoch()} of {terms.epochs}",
                "ends": terms.end,
                "members": pool.contract.call("member_count"),
                "carried": [pool.balances(t.token)[0] for t in terms.tokens],
            }
        )
    return {"info_hash": info_hash.hex(), "pools": found}


def _join(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    pool = Pool(chain, parse_account(args.pool))
    secret = NodeSecret.load(args.key)
    binding = sign_binding(secret, chain.chain_id, pool.address, chain.account)
    return {"index": pool.join(secret.public, binding), "node_key": secret.public.hex()}


def _leave(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    receipt = Pool(chain, parse_account(args.pool)).leave()
    return {"transaction": "0x" + receipt.transaction.hex()}


def _claim(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    pool = Pool(chain, parse_account(args.pool))
    indices = [args.index]
    if args.index is None:  # who left and joined again has several
        indices = [m.index for m in pool.members() if m.account == chain.account]
    if not indices:
        raise ConfigError(f"{format_account(chain.account)} never joined this pool")
    paid: dict[str, int] = {}
    credited: dict[str, int] = {}
    epochs: set[int] = set()
    for index in indices:
        due = [
            e
            for e in pool.claimable_epochs(index)
            if (args.epoch is None or e in args.epoch) and index < pool.members_of(e)
        ]
        epochs |= set(due)
        for receipt in pool.claim(index, due):
            for event in pool.contract.decode(receipt.logs):
                if event.name == "Credited":
                    _add(credited, event["token"], event["amount"])
            for terms in pool.terms().tokens:
                token = Contract(chain, artifact("mocks/token"), terms.token)  # any ERC-20's events
                for event in token.decode(receipt.logs):
                    if event.name == "Transfer" and event["sender"] == pool.address:
                        _add(paid, terms.token, event["amount"])
    return {"epochs": sorted(epochs), "paid": paid, "credited": credited}


def _add(book: dict[str, int], token: Account, amount: int) -> None:
    name = format_account(token)
    book[name] = book.get(name, 0) + amount


if __name__ == "__main__":
    sys.exit(main())
