"""Commands that speak to a chain: settle an epoch, check a settled one, show who gets what."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from axon.aggregator.config import Config
from axon.aggregator.epoch import EpochJob, Registered, Settled
from axon.aggregator.matrix import RewardMatrix, preview_matrix, settled_matrix, write_parquet
from axon.aggregator.proofs import ProofFile, check_rows
from axon.aggregator.report import EpochReport
from axon.aggregator.trackers import TrackerClient
from axon.aggregator.verify import check_settled
from axon.chain.artifacts import artifact
from axon.chain.contract import Contract
from axon.chain.pool import Pool
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError, ConfigError, StorageError, TrackerError
from axon.ids import Epoch, InfoHash, format_account
from axon.receipts import BLOCK_SIZE
from axon.rewards.pools import put_rules, read_rules
from axon.stark import named

__all__ = ["find_trackers", "matrix", "rules", "settle", "torrent_blocks", "verify_chain"]


def settle(config: Config) -> int:
    """Collect, prove and settle one epoch."""
    pool, epoch = _pool(config)
    console = Console(stderr=True, quiet=config.quiet, highlight=False)
    blocks = config.blocks or torrent_blocks(config.torrent, pool.terms().info_hash)
    figures: dict[str, object] = {}

    def report(stage: str, facts: Mapping[str, object]) -> None:
        if stage == "time":
            figures[f"seconds_{facts['stage']}"] = facts["seconds"]
        elif stage == "warning":
            console.print(f"[yellow]warning[/] {facts['message']}")
        else:
            console.print(f"[green]{stage}[/] " + ", ".join(f"{k} {_short(v)}" for k, v in facts.items()))

    def warn(message: str) -> None:
        report("warning", {"message": message})

    trackers = find_trackers(pool, config.tracker, warn)
    home = config.data or _job_folder(pool, epoch)
    job = EpochJob(
        home, pool, epoch, blocks, trackers, named(config.options), report, processes=config.processes
    )
    submitter = config.submitter if config.dry_run else None
    done = job.run(dry=config.dry_run, submitter=submitter, wait=config.wait)
    shown = (preview_matrix if config.dry_run else _settled)(pool, epoch, done.statement.shares)
    figures |= _figures(done, config.options)
    if config.report:
        EpochReport(done.epoch, figures | {"rewards": shown.to_json()}).write(config.report)
    if config.json:
        facts = {"settled": not config.dry_run, "transaction": done.transaction.hex(), "data": str(home)}
        print(json.dumps(facts | figures | {"rewards": shown.to_json()}, indent=1))
    else:
        _show(shown)
        if config.dry_run:
            print(f"Nothing was sent. The proof is in {home}; the same command without --dry-run settles.")
        else:
            print(f"Settled in 0x{done.transaction.hex()}.")
    return 0


def rules(config: Config) -> int:
    """Write a pool's rules, as trackers and `shares` read them; what `axon pool export` does."""
    pool = _at(config)
    blocks = config.blocks or torrent_blocks(config.torrent, pool.terms().info_hash)
    found = read_rules(pool, blocks)
    if config.out is None:
        print(json.dumps({"pools": [found.to_json()]}, indent=1))
    else:
        put_rules(config.out, found)
    return 0


def matrix(config: Config) -> int:
    """Show what each peer gets of each token."""
    pool, epoch = _pool(config, wallet=False)
    shown = settled_matrix(pool, epoch)
    if config.parquet:
        write_parquet(shown.rows(), config.parquet)
    if config.json:
        print(json.dumps(shown.to_json(), indent=1))
    else:
        _show(shown)
    return 0


def verify_chain(config: Config) -> int:
    """Check a settled epoch from chain data alone."""
    pool, epoch = _pool(config, wallet=False)
    found = check_settled(pool, epoch, _calldata(config.calldata))
    if config.json:
        facts = {
            "valid": True,
            "proven_bits": found.bits,
            "options": found.proof.options,
            "root": found.proof.statement.root.hex(),
            "signers": list(found.signers),
            "transaction": found.transaction.hex(),
        }
        print(json.dumps(facts | {"rewards": found.matrix.to_json()}, indent=1))
    else:
        _show(found.matrix)
        print(
            f"The proof holds ({found.bits:.0f} proven bits, {found.proof.options}); trackers"
            f" {', '.join(map(str, found.signers))} signed its root; payouts add up to what was set aside."
        )
    return 0


def find_trackers(
    pool: Pool, urls: Sequence[str], warn: Callable[[str], None] = lambda message: None
) -> list[Registered]:
    """Ask trackers for their keys and find them in the registry.

    Raises
    ------
    ConfigError
        If a tracker is not among the pool's.
    TrackerError
        If fewer than the pool's quorum answer.
    """
    if not urls:
        raise ConfigError("settle: want --tracker URL for each of the pool's trackers")
    terms = pool.terms()
    registry = Contract(pool.chain, artifact("trackers"), pool.contract.call("trackers"))
    known = {bytes(registry.call("key_of", id)): id for id in terms.trackers}
    found: dict[int, Registered] = {}
    for url in urls:
        client = TrackerClient(url)
        try:
            key = client.public_key()
        except TrackerError as error:
            warn(str(error))
            continue
        if key not in known:
            raise ConfigError(f"{url}: its key is not one of the pool's trackers {terms.trackers}")
        found[known[key]] = Registered(known[key], client, key)
    if len(found) < terms.quorum:
        raise TrackerError(f"{len(found)} of the pool's trackers answer, it wants {terms.quorum}")
    return list(found.values())


def torrent_blocks(path: Path | None, info_hash: InfoHash) -> int:
    """Count the blocks of 16 KiB of the pool's torrent.

    Raises
    ------
    ConfigError
        If there is no file, or it is another torrent.
    """
    from axon.bt import parse_torrent

    if path is None:
        raise ConfigError("want --torrent, or --blocks: the chain knows the info-hash only")
    try:
        torrent = parse_torrent(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error
    hashes = [h[:20] for h in torrent.handshake_hashes]
    if info_hash not in hashes:
        raise ConfigError(f"{path}: info-hash {hashes[0].hex()}, the pool is for {info_hash.hex()}")
    return sum(-(-torrent.piece_size(k) // BLOCK_SIZE) for k in range(torrent.num_pieces))


def _pool(config: Config, *, wallet: bool = True) -> tuple[Pool, Epoch]:
    if config.rpc is None or config.pool is None or config.epoch is None:
        raise ConfigError(f"{config.command}: want --rpc, --pool and --epoch")
    return _at(config, _wallet(config) if wallet else None), Epoch(config.epoch)


def _at(config: Config, wallet: KeyWallet | None = None) -> Pool:
    if config.rpc is None or config.pool is None:
        raise ConfigError(f"{config.command}: want --rpc and --pool")
    return Pool(RpcChain(config.rpc, wallet, config.timeout), config.pool)


def _wallet(config: Config) -> KeyWallet | None:
    path = config.keystore or config.key_file
    if path is None:
        if config.dry_run and config.submitter:
            return None
        raise ConfigError("settle: want --keystore or --key-file (or --dry-run with --submitter)")
    password = os.environ.get("AXON_PASSWORD")
    if config.password_file is not None:
        try:
            password = config.password_file.read_text("utf-8").rstrip("\n")
        except OSError as error:
            raise StorageError(f"{config.password_file}: {error.strerror or error}") from error
    return KeyWallet.load(path, password)


def _job_folder(pool: Pool, epoch: Epoch) -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "axon" / "epochs" / f"{pool.chain.chain_id}-{format_account(pool.address)}-{epoch}"


def _settled(pool: Pool, epoch: Epoch, shares: object) -> RewardMatrix:
    found = settled_matrix(pool, epoch)
    if found.shares != shares:
        raise ChainError(f"epoch {epoch}: the chain lists other shares than were settled")
    return found


def _figures(done: Settled, options: str) -> dict[str, object]:
    log_rows = check_rows(done.epoch, named(options))
    bits = ProofFile(log_rows, options, done.statement, done.proof).check()
    return {
        "root": done.statement.root.hex(),
        "log_rows": log_rows,
        "proof_bytes": len(done.proof),
        "proven_bits": round(bits, 2),
        "gas_used": done.gas_used,
    }


def _calldata(path: Path | None) -> bytes | None:
    """Read the data of a call: bytes, or hexadecimal text as explorers show it."""
    if path is None:
        return None
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error
    try:
        return bytes.fromhex(raw.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        return raw


def _short(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) < 80 else text[:20] + "…"


def _show(shown: RewardMatrix) -> None:
    title = f"Epoch {shown.epoch} of {format_account(shown.pool)}"
    table = Table(title=title if shown.settled else title + " (a preview)")
    table.add_column("#", justify="right")
    table.add_column("account", no_wrap=True)
    table.add_column("share", justify="right")
    for column in shown.tokens:
        table.add_column(f"{format_account(column.token)[:10]}…", justify="right", no_wrap=True)
    for k, (account, share) in enumerate(zip(shown.accounts, shown.shares, strict=True)):
        amounts = (str(column.payouts[k]) for column in shown.tokens)
        table.add_row(str(k), format_account(account), f"{share / 2**48:.4%}", *amounts)
    for name in ("reserved", "fee", "budget"):
        table.add_row("", name, "", *(str(getattr(column, name)) for column in shown.tokens), style="dim")
    console = Console(highlight=False)
    (console if console.is_terminal else Console(highlight=False, width=160)).print(table)
