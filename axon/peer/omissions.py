"""`receipts --omissions DIR`: ask every tracker for what it signed for, and write down what it leaves out.

For each omission two files are written, the submission and the tracker's answer:
with them anybody can run ``axon aggregator omissions`` and see for himself.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import trio

from axon.bt.omission import omitted
from axon.errors import AxonError, ConfigError, StorageError
from axon.ids import Account, Epoch, format_account
from axon.peer.http import fetch
from axon.peer.promises import PROMISES, Promise, Promises
from axon.receipts import RECEIPT_SIZE, Receipt, Scope

__all__ = ["TrackerRecord", "find_omissions", "run_omissions"]

_MOST = 1 << 28  # bytes of one epoch's receipts, a million of them
_TIMEOUT = 120.0  # seconds for one epoch


@dataclass(slots=True)
class TrackerRecord:
    """How well one tracker kept its word."""

    url: str  # its /receipts
    keys: set[str] = field(default_factory=set)  # that it signed with, hexadecimal
    promised: int = 0
    omitted: list[tuple[Receipt, Promise]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)  # why it could not be asked, once for each epoch

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "url": self.url,
            "keys": sorted(self.keys),
            "promised": self.promised,
            "omitted": [receipt.serialize().hex() for receipt, _ in self.omitted],
            "trouble": self.trouble,
        }


def run_omissions(data: Path, target: Path, *, as_json: bool) -> int:
    """Ask all trackers; return 0 if all kept their word, else 1.

    Raises
    ------
    ConfigError
        If nothing was ever promised, or the proofs cannot be written.
    """
    path = data / PROMISES
    if not path.exists():
        raise ConfigError(f"no tracker has signed for anything: {path} is not there")
    promises = Promises(path)
    try:
        records = trio.run(find_omissions, promises.all())
    finally:
        promises.close()
    proofs = {record.url: _write(record, target) for record in records}
    for record in records:
        if as_json:
            print(json.dumps(record.to_json() | {"proofs": [str(path) for path in proofs[record.url]]}))
        else:
            left_out = f"leaves out {len(record.omitted)}" if record.omitted else "hands them out"
            left_out += ", as far as it can be asked" if record.trouble else ""
            print(f"{record.url} signed for {record.promised} receipts and {left_out}")
            for line in (*record.trouble, *(f"proof: {path}" for path in proofs[record.url])):
                print(f"  {line}")
    return 1 if any(record.omitted or record.trouble for record in records) else 0


async def find_omissions(promises: Iterable[Promise]) -> list[TrackerRecord]:
    """Ask trackers for the epochs of their promises, and compare."""
    records: dict[str, TrackerRecord] = {}
    answers: dict[tuple[str, int, Account, Epoch], list[bytes] | None] = {}
    for promise in promises:
        record = records.setdefault(promise.url, TrackerRecord(promise.url))
        record.keys.add(promise.tracker.hex())
        record.promised += len(promise.receipts)
        for scope in sorted({receipt.scope for receipt in promise.receipts}):
            asked = promise.url, scope.chain_id, scope.pool, scope.epoch
            if asked not in answers:
                answers[asked] = await _ask(record, scope)
            there = answers[asked]
            if there is not None:
                ours = [receipt for receipt in promise.receipts if receipt.scope == scope]
                record.omitted += [(receipt, promise) for receipt in omitted(ours, there)]
    return list(records.values())


async def _ask(record: TrackerRecord, scope: Scope) -> list[bytes] | None:
    root = record.url.removesuffix("/receipts")
    url = f"{root}/epochs/{format_account(scope.pool)}/{scope.epoch}/receipts?chain_id={scope.chain_id}"
    try:
        response = await fetch(url, limit=_MOST, timeout=_TIMEOUT)
        if response.status != 200 or len(response.body) % RECEIPT_SIZE:
            raise AxonError(f"status {response.status}, {len(response.body)} bytes")
    except (AxonError, OSError) as error:
        record.trouble.append(f"epoch {scope.epoch} of {format_account(scope.pool)}: {error}")
        return None
    body = response.body
    return [body[at : at + RECEIPT_SIZE] for at in range(0, len(body), RECEIPT_SIZE)]


def _write(record: TrackerRecord, target: Path) -> list[Path]:
    """Write each broken promise once, under a name that says which it is."""
    written: list[Path] = []
    for promise in dict.fromkeys(promise for _, promise in record.omitted):
        name = f"{promise.tracker.hex()[:16]}-{sha256(promise.submission).hexdigest()[:16]}"
        try:
            target.mkdir(parents=True, exist_ok=True)
            for suffix, content in ((".submission", promise.submission), (".answer", promise.answer)):
                (target / (name + suffix)).write_bytes(content)
        except OSError as error:
            raise StorageError(f"cannot write {target / name}: {error.strerror}") from error
        written.append(target / (name + ".submission"))
    return written
