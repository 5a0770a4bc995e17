"""What each command does, once the configuration is read; heavy parts load here, not before."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from axon.errors import ConfigError
from axon.ids import format_account
from axon.keys import NodeSecret
from axon.peer.config import Config
from axon.receiptlog import ReceiptLog, Role
from axon.receipts import BLOCK_SIZE, Receipt

__all__ = ["run"]


def run(config: Config) -> int:
    """Run a command; return its exit code.

    Raises
    ------
    AxonError
        If it is refused or fails, with one line that says why.
    """
    return _COMMANDS[config.command](config)


def _transfer(config: Config) -> int:
    from axon.peer.transfer import run_transfer

    return run_transfer(config)


def _create(config: Config) -> int:
    from axon.peer import torrents

    assert config.path is not None
    output = config.output or Path(config.path.resolve().name + ".torrent")
    return torrents.run_create(
        config.path,
        output,
        version=config.version,
        trackers=tuple(tuple(url for url in tier.split(",") if url) for tier in config.announce),
        piece_length=config.piece_length,
        private=config.private,
        webseeds=config.webseed,
        comment=config.comment,
        as_json=config.json,
    )


def _show(config: Config) -> int:
    from axon.peer import torrents

    return torrents.run_show(Path(config.torrent[0]), as_json=config.json)


def _verify(config: Config) -> int:
    from axon.peer import torrents

    return torrents.run_verify(Path(config.torrent[0]), config.dir, as_json=config.json)


def _key(config: Config) -> int:
    secret = NodeSecret.load_or_create(config.key_path)
    facts = {"node_key": secret.public.hex(), "file": str(config.key_path)}
    print(json.dumps(facts) if config.json else facts["node_key"])
    return 0


def _receipts(config: Config) -> int:
    if config.omissions is not None:
        from axon.peer.omissions import run_omissions

        return run_omissions(config.data, config.omissions, as_json=config.json)
    path = config.data / "receipts.sqlite"
    if not path.exists():
        raise ConfigError(f"no receipts yet: {path} is not there")
    log = ReceiptLog(path)
    try:
        if config.export is not None:
            return _export(log, config.export)
        given = list(log.latest(role=Role.GIVEN))
        received = list(log.latest(role=Role.RECEIVED))
        if config.json:
            for role, receipts in ((Role.GIVEN, given), (Role.RECEIVED, received)):
                for receipt in receipts:
                    print(json.dumps(_row(role, receipt)))
        else:
            _receipt_table(given, received)
            bad = log.equivocations()
            if bad:
                print(f"{len(bad)} proofs of equivocation: those downloaders are left out")
    finally:
        log.close()
    return 0


def _export(log: ReceiptLog, target: Path) -> int:
    from axon import receiptexport

    if str(target) == "-":
        receiptexport.export_json_lines(log, sys.stdout)
        return 0
    try:
        if target.suffix == ".parquet":
            count = receiptexport.export_parquet(log, target)
        else:
            with target.open("w", encoding="utf-8") as file:
                count = receiptexport.export_json_lines(log, file)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}") from error
    except ImportError as error:
        raise ConfigError(f"Parquet needs duckdb (pip install axon[aggregator]): {error}") from error
    print(f"{count} receipts written to {target}")
    return 0


def _row(role: Role, receipt: Receipt) -> dict[str, object]:
    return {
        "role": role.name.lower(),
        "counterpart": (receipt.uploader if role is Role.GIVEN else receipt.downloader).hex(),
        "info_hash": receipt.info_hash.hex(),
        "chain_id": receipt.chain_id,
        "pool": format_account(receipt.pool),
        "epoch": receipt.epoch,
        "blocks": receipt.blocks,
        "bytes": receipt.blocks * BLOCK_SIZE,
        "sequence": receipt.sequence,
        "timestamp": receipt.timestamp,
    }


def _receipt_table(given: list[Receipt], received: list[Receipt]) -> None:
    from rich.console import Console
    from rich.table import Table

    from axon.peer.progress import format_size

    table = Table("", "counterpart", "torrent", "epoch", "blocks", "at most", "receipts")
    for role, word, receipts in ((Role.GIVEN, "given to", given), (Role.RECEIVED, "from", received)):
        for receipt in receipts:
            row = _row(role, receipt)
            size = format_size(receipt.blocks * BLOCK_SIZE)
            counterpart, torrent = str(row["counterpart"])[:16], receipt.info_hash.hex()[:16]
            table.add_row(
                word,
                counterpart,
                torrent,
                str(receipt.epoch),
                str(receipt.blocks),
                size,
                str(receipt.sequence),
            )
    Console().print(table)


_COMMANDS: dict[str, Callable[[Config], int]] = {
    "create": _create,
    "download": _transfer,
    "seed": _transfer,
    "show": _show,
    "verify": _verify,
    "key": _key,
    "receipts": _receipts,
}
