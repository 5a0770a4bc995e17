"""Which pools a tracker keeps receipts for, and who joined them: read from a JSON file.

    {"pools": [{"chain_id": 1, "pool": "0x…", "info_hash": "…", "blocks": 65536,
                "start": 1700000000, "epoch_length": 86400,
                "members": [{"account": "0x…", "node_key": "…", "binding": "…"}]}]}

`axon pool export` writes such a file from the chain, with the terms that attestation needs too.
`start` and `epoch_length` (seconds) say which epochs are open; without them any is. Without
`members` anyone's receipts are kept; with them, those of bound node keys. Without
a file at all every pool is kept, unchecked: for a tracker that only collects.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from axon.errors import ConfigError
from axon.ids import Account, Epoch, InfoHash, NodeKey, parse_account, parse_info_hash
from axon.receipts import Reject, Scope, check_binding

if TYPE_CHECKING:
    from axon.rewards.pools import PoolRules

__all__ = ["Pool", "Pools"]


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool's rules, as far as receipts go."""

    chain_id: int
    address: Account
    info_hash: InfoHash
    blocks: int  # of 16 KiB in the torrent
    start: int | None = None  # seconds since 1970
    epoch_length: int | None = None  # seconds
    members: frozenset[NodeKey] | None = None
    terms: Mapping[str, Any] | None = None  # the whole entry, if it has the pool's terms

    def open_epoch(self, epoch: Epoch, wall: float) -> bool:
        """Tell whether receipts of an epoch are taken now: the running one's and the one before."""
        if self.start is None or self.epoch_length is None:
            return True
        running = int((wall - self.start) // self.epoch_length)
        return running - 1 <= epoch <= running and epoch >= 0


@dataclass(frozen=True, slots=True)
class Pools:
    """All pools, by chain, address and info-hash."""

    known: Mapping[tuple[int, bytes, bytes], Pool] | None = None

    def find(self, scope: Scope) -> Pool | None:
        """Return the pool of a scope."""
        if self.known is None:
            return Pool(scope.chain_id, scope.pool, scope.info_hash, 1 << 36)
        return self.known.get((scope.chain_id, scope.pool, scope.info_hash))

    def rules(self, chain_id: int, address: Account) -> "PoolRules | None":
        """Return what attestation needs of a pool; None if its entry has no terms.

        Raises
        ------
        ConfigError
            If the terms are malformed.
        """
        from axon.rewards.pools import PoolRules  # loads the proof library

        for pool in (self.known or {}).values():
            if (pool.chain_id, pool.address) == (chain_id, address) and pool.terms is not None:
                return PoolRules.from_json(pool.terms)
        return None

    def refuses(self, scope: Scope, downloader: NodeKey, uploader: NodeKey, wall: float) -> Reject | None:
        """Return why a receipt between two keys is not taken, or None."""
        pool = self.find(scope)
        if pool is None or not pool.open_epoch(scope.epoch, wall):
            return Reject.SCOPE
        if pool.members is not None and not {downloader, uploader} <= pool.members:
            return Reject.UNREGISTERED
        return Reject.PARTY if downloader == uploader else None

    def registered(self, info_hash: bytes, key: NodeKey) -> bool:
        """Tell whether a node key belongs to some pool of a torrent; True where nobody has to."""
        if self.known is None:
            return True
        pools = [pool for pool in self.known.values() if pool.info_hash == info_hash]
        return not pools or any(pool.members is None or key in pool.members for pool in pools)

    @classmethod
    def load(cls, path: Path | None, *, members: bool = True) -> Self:
        """Read the file; members whose binding is wrong are left out (anyone may join with another's key).

        Parameters
        ----------
        members : bool
            False: only the terms are wanted, and nobody's binding is checked.

        Raises
        ------
        ConfigError
            If the file is missing or malformed.
        """
        if path is None:
            return cls()
        try:
            rows = json.loads(path.read_text("utf-8"))["pools"]
            pools = [_pool(row, members) for row in rows]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"pools {path}: {error!r}") from error
        return cls({(p.chain_id, p.address, p.info_hash): p for p in pools})

    def beside(self, others: "Pools") -> "Pools":
        """Return these pools and others; of a pool that is in both, the others'."""
        return Pools({**(self.known or {}), **(others.known or {})})


# A file is read again when somebody joined: then nobody else's signature has to be checked once more.
_bound = lru_cache(1 << 17)(check_binding)


def _pool(row: dict[str, Any], check: bool) -> Pool:
    chain_id, address = int(row["chain_id"]), parse_account(row["pool"])
    members: frozenset[NodeKey] | None = None
    if check and "members" in row:
        bound = [
            (NodeKey(bytes.fromhex(m["node_key"])), bytes.fromhex(m["binding"]), parse_account(m["account"]))
            for m in row["members"]
        ]
        members = frozenset(
            key for key, binding, account in bound if _bound(key, binding, chain_id, address, account)
        )
    return Pool(
        chain_id,
        address,
        parse_info_hash(row["info_hash"]),
        int(row["blocks"]),
        row.get("start"),
        row.get("epoch_length"),
        members,
        row if "rules_hash" in row else None,
    )
