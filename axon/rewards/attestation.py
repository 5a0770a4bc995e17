"""What an aggregator asks a tracker to sign, and what a tracker checks before it does.

The tracker rebuilds the epoch from the receipts that it holds itself and from the
pool's rules; the request only says which root is wanted, the seed that blinds it, and the
aggregator's edges, so that a refusal can say what differs.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from axon.errors import AxonError, ConfigError
from axon.ids import Account, Epoch, NodeKey, format_account, parse_account
from axon.rewards.epoch import RebuiltEpoch, commit, rebuild
from axon.rewards.pools import PoolRules
from axon.safejson import loads
from axon.stark import named

__all__ = ["AttestRequest", "Difference", "Refusal", "differences", "edges_of", "judge"]

_MIN_SEED, _MAX_SEED = 16, 64  # bytes

Pair = tuple[NodeKey, NodeKey]  # downloader, uploader


class Difference(NamedTuple):
    """One pair for which two parties count different blocks."""

    downloader: NodeKey
    uploader: NodeKey
    theirs: int  # 0: none
    ours: int


class Refusal(AxonError):
    """The tracker does not sign; `differences` says why, if the receipts differ."""

    def __init__(self, message: str, found: tuple[Difference, ...] = ()) -> None:
        super().__init__(message)
        self.differences = found


@dataclass(frozen=True, slots=True)
class AttestRequest:
    """The body of ``POST /attest``."""

    chain_id: int
    pool: Account
    epoch: Epoch
    root: bytes  # as the chain sees it: 32 bytes, zero-padded on the right
    seed: bytes
    options: str  # a named set of `axon.stark`
    edges: Mapping[Pair, int]  # blocks

    def serialize(self) -> bytes:
        """Return the JSON."""
        keys = sorted({key for pair in self.edges for key in pair})
        index = {key: k for k, key in enumerate(keys)}
        return json.dumps(
            {
                "chain_id": self.chain_id,
                "pool": format_account(self.pool),
                "epoch": self.epoch,
                "root": self.root.hex(),
                "seed": self.seed.hex(),
                "options": self.options,
                "keys": [key.hex() for key in keys],
                "edges": [[index[i], index[j], b] for (i, j), b in sorted(self.edges.items())],
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the JSON.

        Raises
        ------
        AxonError
            If it is malformed.
        """
        try:
            top: Any = loads(body)
            keys = [NodeKey(bytes.fromhex(text)) for text in top["keys"]]
            if any(len(key) != 32 for key in keys):
                raise ValueError("a key is not 32 bytes")
            edges = {(keys[_natural(i)], keys[_natural(j)]): _natural(b) for i, j, b in top["edges"]}
            request = cls(
                _natural(top["chain_id"]),
                parse_account(top["pool"]),
                Epoch(_natural(top["epoch"])),
                bytes.fromhex(top["root"]),
                bytes.fromhex(top["seed"]),
                _text(top["options"]),
                edges,
            )
        except (ValueError, LookupError, TypeError, AttributeError, ConfigError) as error:
            raise AxonError(f"attest: {error!r}"[:200]) from error
        if len(request.root) != 32 or not _MIN_SEED <= len(request.seed) <= _MAX_SEED:
            raise AxonError(f"attest: root of {len(request.root)} and seed of {len(request.seed)} bytes")
        return request


def edges_of(epoch: RebuiltEpoch) -> dict[Pair, int]:
    """Return the blocks that count, by keys."""
    collected = epoch.collected
    found: dict[Pair, int] = {}
    for i, j, b in zip(collected.edges.src, collected.edges.dst, collected.edges.blocks, strict=True):
        down, up = collected.keys[i], collected.keys[j]
        assert down is not None and up is not None  # only keys have receipts
        found[down, up] = int(b)
    return found


def differences(theirs: Mapping[Pair, int], ours: Mapping[Pair, int]) -> tuple[Difference, ...]:
    """Return where two sets of edges differ, in the order of keys."""
    pairs = sorted(pair for pair in theirs.keys() | ours.keys() if theirs.get(pair, 0) != ours.get(pair, 0))
    return tuple(Difference(*pair, theirs.get(pair, 0), ours.get(pair, 0)) for pair in pairs)


def judge(request: AttestRequest, rules: PoolRules, receipts: Iterable[bytes]) -> None:
    """Return if the root follows from these receipts by these rules.

    Raises
    ------
    Refusal
        Otherwise.
    ConfigError
        If there is no such set of options.
    """
    epoch = rebuild(rules.of_epoch(request.epoch), [receipts], processes=1)
    found = differences(request.edges, edges_of(epoch))
    if found:
        raise Refusal(f"receipts differ for {len(found)} pairs", found)
    root = commit(epoch, request.seed, named(request.options)).ljust(32, b"\0")
    if root != request.root:
        raise Refusal(f"root is {root.hex()}, not {request.root.hex()}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no name")
    return value


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise ValueError(f"{value!r} is no number from 0")
    return value
