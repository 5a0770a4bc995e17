"""A pool's rules as JSON, for trackers: what the chain says, so that a tracker needs no node.

`axon pool export` writes it; a tracker reads it with ``--pools``. `rules_hash` is
what the contract puts under the trackers' signatures, so a tracker with other rules than
the chain's signs something that the chain refuses.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from axon.errors import ConfigError, StorageError
from axon.ids import Account, Epoch, InfoHash, NodeKey, format_account, parse_account, parse_info_hash
from axon.receipts import Scope, check_binding
from axon.rewards.collect import Joined
from axon.rewards.epoch import EpochRules

if TYPE_CHECKING:
    from axon.chain.pool import Pool

__all__ = ["PoolMember", "PoolRules", "put_rules", "read_rules"]


@dataclass(frozen=True, slots=True)
class PoolMember:
    """One `join`, at its index."""

    account: Account
    key: NodeKey
    binding: bytes
    joined: int = 0  # epoch
    left: int | None = None  # epoch; it still earns in that one


@dataclass(frozen=True, slots=True)
class PoolRules:
    """What a pool pays for, by which rules, and who joined."""

    chain_id: int
    pool: Account
    info_hash: InfoHash
    blocks: int  # of 16 KiB in the torrent
    start: int  # seconds since 1970
    epoch_length: int  # seconds
    c: int
    c_e: int
    lambda_: int  # units of 2^-16
    weights: tuple[tuple[NodeKey, int], ...]
    members: tuple[PoolMember, ...]
    rules_hash: bytes  # 32 bytes

    def of_epoch(self, epoch: Epoch) -> EpochRules:
        """Return the rules of one epoch: its settlement lists everyone who joined before its end."""
        listed = [member for member in self.members if member.joined <= epoch]
        return EpochRules(
            Scope(self.chain_id, self.pool, self.info_hash, epoch),
            self.blocks,
            self.c,
            self.c_e,
            self.lambda_,
            self.weights,
            tuple(
                Joined(
                    None if member.left is not None and member.left < epoch else member.key,
                    member.account,
                    member.binding,
                )
                for member in listed
            ),
        )

    def keys(self) -> frozenset[NodeKey]:
        """Return the node keys whose binding holds."""
        return frozenset(
            member.key
            for member in self.members
            if check_binding(member.key, member.binding, self.chain_id, self.pool, member.account)
        )

    def to_json(self) -> dict[str, Any]:
        """Return one entry of the ``pools`` list."""
        return {
            "chain_id": self.chain_id,
            "pool": format_account(self.pool),
            "info_hash": self.info_hash.hex(),
            "blocks": self.blocks,
            "start": self.start,
            "epoch_length": self.epoch_length,
            "c": self.c,
            "c_e": self.c_e,
            "lambda": self.lambda_,
            "rules_hash": self.rules_hash.hex(),
            "weights": [{"node_key": key.hex(), "weight": weight} for key, weight in self.weights],
            "members": [
                {
                    "account": format_account(member.account),
                    "node_key": member.key.hex(),
                    "binding": member.binding.hex(),
                    "joined": member.joined,
                    "left": member.left,
                }
                for member in self.members
            ],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read one entry.

        Raises
        ------
        ConfigError
            If something is missing or malformed.
        """
        try:
            return cls(
                _chain_id(row["chain_id"]),
                parse_account(row["pool"]),
                parse_info_hash(row["info_hash"]),
                int(row["blocks"]),
                int(row["start"]),
                int(row["epoch_length"]),
                int(row["c"]),
                int(row["c_e"]),
                int(row["lambda"]),
                tuple((_key(w["node_key"]), int(w["weight"])) for w in row["weights"]),
                tuple(
                    PoolMember(
                        parse_account(m["account"]),
                        _key(m["node_key"]),
                        bytes.fromhex(m["binding"]),
                        int(m["joined"]),
                        None if m["left"] is None else int(m["left"]),
                    )
                    for m in row["members"]
                ),
                bytes.fromhex(row["rules_hash"]),
            )
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ConfigError(f"pool rules: {error!r}") from error


def _chain_id(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 1 << 64:  # 8 bytes of what is signed
        raise ValueError(f"chain id {value!r:.40}")
    return number


def _key(text: str) -> NodeKey:
    key = bytes.fromhex(text)
    if len(key) != 32:
        raise ValueError(f"node key of {len(key)} bytes, want 32")
    return NodeKey(key)


def read_rules(pool: "Pool", blocks: int) -> PoolRules:
    """Read a pool's terms and members from its chain.

    Parameters
    ----------
    blocks : int
        Of 16 KiB in the torrent; the chain knows its info-hash only.

    Raises
    ------
    ChainError
        If the node does not answer.
    """
    terms = pool.terms()
    return PoolRules(
        pool.chain.chain_id,
        pool.address,
        terms.info_hash,
        blocks,
        terms.start,
        terms.epoch_length,
        terms.c,
        terms.c_e,
        terms.lambda_,
        tuple((NodeKey(weight.node_key), weight.weight) for weight in terms.weights),
        tuple(PoolMember(m.account, m.node_key, m.binding, m.joined, m.left) for m in pool.members()),
        pool.rules_hash(),
    )


def put_rules(path: Path, rules: PoolRules) -> int:
    """Write a pool's rules into a file of pools, in place of what it says of that pool; return its pools.

    Raises
    ------
    ConfigError
        If the file is something else.
    StorageError
        If the disk refuses.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        held = json.loads(path.read_text("utf-8"))["pools"] if path.exists() else []
        known = [PoolRules.from_json(row) for row in held]
        others = [r for r in known if (r.chain_id, r.pool) != (rules.chain_id, rules.pool)]
        rows = [row.to_json() for row in (*others, rules)]
        partial.write_text(json.dumps({"pools": rows}, indent=1) + "\n", "utf-8")
        partial.replace(path)  # a tracker may read it at any time
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path}: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{path} holds no pools: {error!r:.200}") from error
    return len(rows)
