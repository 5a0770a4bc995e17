"""``axon pool deploy|register-tracker|create|stake|show|export|withdraw``: for publishers and trackers."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from axon.chain.artifacts import artifact
from axon.chain.chain import Chain, TxReceipt
from axon.chain.connect import add_connection, connect, load_deployment
from axon.chain.contract import Contract
from axon.chain.deploy import REWARD_VERIFIERS, deploy_reward_verifier, deploy_system
from axon.chain.pool import Pool, Terms, TokenTerms, Weight, create_pool
from axon.errors import AxonError, ConfigError
from axon.ids import InfoHash, format_account, parse_account, parse_info_hash

__all__ = ["main", "show_pool"]

_BLOCK = 16 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 1 with one line on what is wrong."""
    args = _parser().parse_args(argv)
    try:
        command: Callable[[argparse.Namespace, Chain], dict[str, Any]] = args.run
        report(command(args, connect(args)), args.json)
    except AxonError as error:
        print(f"axon pool: {error}", file=sys.stderr)
        return 1
    return 0


def report(fields: dict[str, Any], as_json: bool) -> None:
    """Print what a command found: JSON for programs, else one line a field."""
    if as_json:
        print(json.dumps(fields))
        return
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                print(f"{name:<{width}}  " + "  ".join(f"{k} {v}" for k, v in row.items()))
        else:
            print(f"{name:<{width}}  {value}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="axon pool", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, run: Callable[[argparse.Namespace, Chain], dict[str, Any]], text: str) -> Any:
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        add_connection(command)
        return command

    deploy = add("deploy", _deploy, "put the contracts on a chain and write their addresses")
    deploy.add_argument("output", type=Path, help="deployment file to write")
    deploy.add_argument(
        "--verifier",
        nargs="?",
        const="onchain-100",
        choices=list(REWARD_VERIFIERS),
        help="and a verifier of AXR-1 for these options (by default onchain-100, for the largest epochs)",
    )

    tracker = add("register-tracker", _register, "register a tracker's BLS key")
    tracker.add_argument("bls_key", type=Path, help="its key file; made if missing")

    create = add("create", _create, "open a pool for a torrent")
    create.add_argument("torrent", help=".torrent file, or info-hash")
    create.add_argument(
        "--token",
        action="append",
        required=True,
        metavar="ADDRESS[:PARAMETER]",
        help="a reward token, and a number for the distribution: of decaying, the part of what is left that"
        " an epoch pays, in units of 10^-18; of fixed, base units an epoch. Once for each token",
    )
    create.add_argument(
        "--verifier",
        required=True,
        metavar="ADDRESS",
        help="checks the proofs; pool deploy --verifier makes one",
    )
    create.add_argument(
        "--tracker",
        action="append",
        type=int,
        required=True,
        metavar="ID",
        help="registered tracker that may attest; once for each",
    )
    create.add_argument(
        "--quorum", type=int, help="attestations wanted; by default more than half of the trackers"
    )
    create.add_argument("--epochs", type=int, default=30, help="how many epochs are paid (%(default)s)")
    create.add_argument(
        "--epoch-length", type=int, default=86_400, metavar="SECONDS", help="length of an epoch (%(default)s)"
    )
    create.add_argument("--start", type=int, metavar="UNIX_TIME", help="of the first epoch; by default now")
    create.add_argument(
        "--claim-window",
        type=int,
        metavar="SECONDS",
        help="after the last epoch, for settling and before withdraw; by default 7 epochs",
    )
    create.add_argument(
        "--distribution", default="linear", help="linear (default), decaying, fixed, or a contract's address"
    )
    create.add_argument(
        "--c",
        type=int,
        metavar="BLOCKS",
        help="blocks of 16 KiB; who acknowledged less than a third of them hands on less trust; by default"
        " the torrent's",
    )
    create.add_argument(
        "--c-e",
        type=int,
        default=1 << 32,
        help="trusted service, in units of 2^-36, at which an epoch pays half of its budget (%(default)s)",
    )
    create.add_argument(
        "--sybil-budget",
        type=float,
        default=1 / 16,
        metavar="LAMBDA",
        help="part of the trust that unknown downloaders get, 0 to 1 (%(default)s)",
    )
    create.add_argument(
        "--fee",
        type=int,
        default=100,
        metavar="BASIS_POINTS",
        help="what whoever settles gets of what is paid, in 1/10,000 (%(default)s)",
    )
    create.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="NODE_KEY=WEIGHT",
        help="a peer whom you trust, and how much beside the others; once for each",
    )
    create.add_argument("--salt", default="00" * 32, metavar="HEX", help="another pool of the same terms")

    stake = add("stake", _stake, "add tokens to a pool")
    stake.add_argument("pool")
    stake.add_argument("token")
    stake.add_argument("amount", type=int, help="base units")

    show = add("show", _show, "terms, members, balances and settled epochs")
    show.add_argument("pool")

    export = add("export", _export, "write the pool's rules for trackers (--pools) and aggregators")
    export.add_argument("pool")
    export.add_argument("torrent", type=Path, help=".torrent file: the chain knows its info-hash only")
    export.add_argument("output", type=Path, help="JSON file to write; a pool that is in it is replaced")

    withdraw = add("withdraw", _withdraw, "after the claim window: send the publisher what nobody is owed")
    withdraw.add_argument("pool")
    withdraw.add_argument("token", nargs="*", help="by default all of the pool's")
    return parser


def _export(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    from axon.rewards.pools import put_rules, read_rules  # loads the proof library

    info_hash, blocks = _torrent(str(args.torrent))
    if blocks is None:
        raise ConfigError(f"{args.torrent}: want a .torrent file, not an info-hash")
    rules = read_rules(Pool(chain, parse_account(args.pool)), blocks)
    if rules.info_hash != info_hash:
        raise ConfigError(f"the pool pays for {rules.info_hash.hex()}, not for {info_hash.hex()}")
    pools = put_rules(args.output, rules)
    return {"output": str(args.output), "pools": pools, "members": len(rules.members)}


def _deploy(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:

    deployment = deploy_system(chain)
    deployment.save(args.output)
    fields = {"deployment": str(args.output), "factory": format_account(deployment.factory)}
    if args.verifier:
        fields["verifier"] = format_account(deploy_reward_verifier(chain, args.verifier))
    return fields


def _register(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    from axon.bls import BlsSecret

    secret = BlsSecret.load_or_create(args.bls_key)
    registry = Contract(chain, artifact("trackers"), load_deployment(args, chain).trackers)
    receipt = registry.transact("register", secret.public, secret.prove_possession())
    (event,) = registry.decode(receipt.logs)
    return {"tracker": event["id"], **_receipt(receipt)}


def _create(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    deployment = load_deployment(args, chain)
    info_hash, blocks = _torrent(args.torrent)
    c = args.c or blocks
    if c is None:
        raise ConfigError("an info-hash does not say how many blocks there are: give --c")
    trackers = sorted(set(args.tracker))
    terms = Terms(
        info_hash=info_hash,
        start=chain.now() if args.start is None else args.start,
        epoch_length=args.epoch_length,
        epochs=args.epochs,
        claim_window=7 * args.epoch_length if args.claim_window is None else args.claim_window,
        quorum=args.quorum or len(trackers) // 2 + 1,
        c=c,
        c_e=args.c_e,
        lambda_=round(args.sybil_budget * (1 << 16)),
        fee=args.fee,
        distribution=deployment.distribution(args.distribution),
        verifier=parse_account(args.verifier),
        tokens=[_token(text) for text in args.token],
        trackers=trackers,
        weights=[_weight(text) for text in args.weight],
    )
    pool, receipt = create_pool(chain, deployment, terms, bytes.fromhex(args.salt))
    return {"pool": format_account(pool.address), "info_hash": info_hash.hex(), **_receipt(receipt)}


def _stake(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    pool = Pool(chain, parse_account(args.pool))
    receipt = pool.approve_and_stake(parse_account(args.token), args.amount)
    (event,) = [e for e in pool.contract.decode(receipt.logs) if e.name == "Staked"]
    return {"received": event["amount"], **_receipt(receipt)}


def _show(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    return show_pool(Pool(chain, parse_account(args.pool)))


def show_pool(pool: Pool) -> dict[str, Any]:
    """Return a pool as plain values."""
    terms = pool.terms()
    return {
        "pool": format_account(pool.address),
        "info_hash": terms.info_hash.hex(),
        "publisher": format_account(pool.contract.call("publisher")),
        "start": terms.start,
        "epoch_length": terms.epoch_length,
        "epochs": terms.epochs,
        "epoch": pool.current_epoch(),
        "claim_window": terms.claim_window,
        "trackers": terms.trackers,
        "quorum": terms.quorum,
        "c": terms.c,
        "c_e": terms.c_e,
        "sybil_budget": terms.lambda_ / (1 << 16),
        "fee_basis_points": terms.fee,
        "distribution": format_account(terms.distribution),
        "verifier": format_account(terms.verifier),
        "members": pool.contract.call("member_count"),
        "settled": pool.settled_epochs(),
        "tokens": [
            dict(
                zip(
                    ("token", "parameter", "carried", "reserved"),
                    (format_account(token), parameter, *pool.balances(token)),
                )
            )
            for token, parameter in terms.tokens
        ],
        "weights": [{"node_key": w.node_key.hex(), "weight": w.weight} for w in terms.weights],
    }


def _withdraw(args: argparse.Namespace, chain: Chain) -> dict[str, Any]:
    pool = Pool(chain, parse_account(args.pool))
    tokens = [parse_account(text) for text in args.token] or [t.token for t in pool.terms().tokens]
    rows = []
    for token in tokens:
        try:
            receipt = pool.contract.transact("sweep", token)
            (event,) = [e for e in pool.contract.decode(receipt.logs) if e.name == "Swept"]
            rows.append({"token": format_account(token), "amount": event["amount"]})
        except AxonError as error:  # one bad token does not keep the others
            rows.append({"token": format_account(token), "error": str(error)})
    if all("error" in row for row in rows):
        raise ConfigError("; ".join(str(row["error"]) for row in rows))
    return {"withdrawn": rows}


def _receipt(receipt: TxReceipt) -> dict[str, Any]:
    return {"transaction": "0x" + receipt.transaction.hex(), "gas": receipt.gas_used}


def _torrent(text: str) -> tuple[InfoHash, int | None]:
    """An info-hash, or a .torrent file and the 16-KiB blocks in it."""
    path = Path(text)
    if not path.is_file():
        return parse_info_hash(text), None
    from axon.bt import parse_torrent

    meta = parse_torrent(path.read_bytes())
    info_hash = meta.info_hash if meta.info_hash is not None else (meta.info_hash_v2 or b"")[:20]
    blocks = sum(-(-meta.piece_size(index) // _BLOCK) for index in range(meta.num_pieces))
    return InfoHash(info_hash), max(1, blocks)


def _token(text: str) -> TokenTerms:
    address, _, parameter = text.partition(":")
    if parameter and not parameter.isdigit():
        raise ConfigError(f"token {text!r}: want ADDRESS or ADDRESS:PARAMETER")
    return TokenTerms(parse_account(address), int(parameter or 0))


def _weight(text: str) -> Weight:
    key, _, weight = text.partition("=")
    try:
        raw, number = bytes.fromhex(key), int(weight)
    except ValueError:
        raise ConfigError(f"weight {text!r}: want NODE_KEY=WEIGHT") from None
    if len(raw) != 32 or not 0 < number < 1 << 64:
        raise ConfigError(f"weight {text!r}: a key of 32 bytes and a weight below 2^64")
    return Weight(raw, number)
