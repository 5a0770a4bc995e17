"""Attestation: sign an epoch's receipts root, but only what follows from receipts that we hold ourselves.

An aggregator posts its edges, the order of peers, pre-trusts, blinding seed and root.
We make the edges from our own receipts; where they differ the answer lists the
differences, and otherwise we commit to them as the proof does and sign
if the roots agree. The commitment is the STARK library's, behind `SegmentCommitter`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from axon.chain.attestation import attestation_digest
from axon.errors import AxonError
from axon.ids import Account, Epoch, NodeKey, parse_account
from axon.receipts import Receipt

__all__ = ["AttestRequest", "Attester", "Differences", "SegmentCommitter", "Signer", "own_edges"]

Edge = tuple[int, int, int]  # downloader, uploader, blocks
_MAX_PEERS, _MAX_EDGES = 1 << 16, 1 << 20


class SegmentCommitter(Protocol):
    """Commits to the receipts' segment of the trace (DESIGN §5)."""

    def __call__(self, edges: Sequence[Edge], pretrust: Sequence[int], seed: bytes) -> bytes:
        """Return the 32-byte root of edges in canonical order, blinded from `seed`."""


class Signer(Protocol):
    """A BLS key; `axon.bls.BlsSecret` is one."""

    public: bytes

    def sign(self, message: bytes) -> bytes: ...
    def prove_possession(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class AttestRequest:
    """What an aggregator asks to have signed."""

    chain_id: int
    pool: Account
    epoch: Epoch
    root: bytes  # 32 bytes
    rules: bytes  # 32 bytes: the hash of the pool's terms
    seed: bytes  # 32 bytes: blinds the commitment; shared between aggregator and trackers
    peers: tuple[NodeKey, ...]  # in the order of their indices
    pretrust: tuple[int, ...]
    edges: tuple[Edge, ...]  # ascending

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the JSON of `POST /attest`.

        Raises
        ------
        AxonError
            If it is malformed or beyond what AXR-1 takes.
        """
        try:
            top: Any = json.loads(body)
            request = cls(
                int(top["chain_id"]),
                parse_account(top["pool"]),
                Epoch(int(top["epoch"])),
                bytes.fromhex(top["root"]),
                bytes.fromhex(top["rules"]),
                bytes.fromhex(top["seed"]),
                tuple(NodeKey(bytes.fromhex(key)) for key in top["peers"]),
                tuple(int(p) for p in top["pretrust"]),
                tuple((int(i), int(j), int(b)) for i, j, b in top["edges"]),
            )
        except (ValueError, KeyError, TypeError, AxonError) as error:
            raise AxonError(f"attest: {error!r}") from error
        request._check()
        return request

    def serialize(self) -> bytes:
        """Return the JSON of `POST /attest`."""
        return json.dumps(
            {
                "chain_id": self.chain_id,
                "pool": "0x" + self.pool.hex(),
                "epoch": self.epoch,
                "root": self.root.hex(),
                "rules": self.rules.hex(),
                "seed": self.seed.hex(),
                "peers": [key.hex() for key in self.peers],
                "pretrust": self.pretrust,
                "edges": self.edges,
            }
        ).encode()

    def _check(self) -> None:
        if not (len(self.root) == len(self.rules) == len(self.seed) == 32):
            raise AxonError("attest: root, rules and seed, want 32 bytes each")
        if not (0 <= self.chain_id < 1 << 64 and 0 <= self.epoch < 1 << 32):
            raise AxonError(f"attest: chain {self.chain_id}, epoch {self.epoch}, want 64 and 32 bits")
        n = len(self.peers)
        if n > _MAX_PEERS or len(set(self.peers)) != n or {len(key) for key in self.peers} - {32}:
            raise AxonError(f"attest: {n} peers, want up to {_MAX_PEERS} distinct keys of 32 bytes")
        if len(self.pretrust) != n or any(not 0 <= p <= 1 << 36 for p in self.pretrust):
            raise AxonError(f"attest: {len(self.pretrust)} pre-trusts, want {n} within 0..2^36")
        if len(self.edges) > _MAX_EDGES:
            raise AxonError(f"attest: {len(self.edges)} edges, want up to {_MAX_EDGES}")
        last = (-1, -1)
        for i, j, b in self.edges:
            if not (0 <= i < n and 0 <= j < n and i != j and 0 < b < 1 << 36 and (i, j) > last):
                raise AxonError(
                    f"attest: edge {(i, j, b)} after {last}, want ascending edges among {n} peers"
                )
            last = (i, j)


@dataclass(frozen=True, slots=True)
class Differences:
    """How somebody's edges differ from ours; each with node keys, so that it can be looked into."""

    missing: tuple[Edge, ...]  # we hold receipts for these
    unknown: tuple[Edge, ...]  # we hold none
    other: tuple[tuple[int, int, int, int], ...]  # downloader, uploader, their blocks, our blocks

    def __bool__(self) -> bool:
        return bool(self.missing or self.unknown or self.other)

    @classmethod
    def between(cls, theirs: Iterable[Edge], ours: Iterable[Edge]) -> Self:
        """Compare two lists of edges."""
        their = {(i, j): b for i, j, b in theirs}
        our = {(i, j): b for i, j, b in ours}
        return cls(
            tuple((*pair, b) for pair, b in sorted(our.items()) if pair not in their),
            tuple((*pair, b) for pair, b in sorted(their.items()) if pair not in our),
            tuple(
                (*pair, their[pair], our[pair])
                for pair in sorted(their.keys() & our.keys())
                if their[pair] != our[pair]
            ),
        )


def own_edges(receipts: Iterable[Receipt], peers: Sequence[NodeKey]) -> list[Edge]:
    """Sum receipts up into canonical edges; receipts of keys that are not in `peers` do not count."""
    index: Mapping[NodeKey, int] = {key: k for k, key in enumerate(peers)}
    sums = dict[tuple[int, int], int]()
    for receipt in receipts:
        i, j = index.get(receipt.downloader), index.get(receipt.uploader)
        if i is not None and j is not None and i != j:
            sums[i, j] = sums.get((i, j), 0) + receipt.blocks
    return [(i, j, b) for (i, j), b in sorted(sums.items())]


class Attester:
    """Answers `POST /attest`; slow (a commitment, 0.1 s for a signature), so call it in a thread."""

    def __init__(self, signer: Signer, committer: SegmentCommitter | None) -> None:
        self._signer = signer
        self._committer = committer

    def attest(self, request: AttestRequest, receipts: Iterable[Receipt]) -> dict[str, Any]:
        """Return `{"signature", "public_key"}`, or `{"error", …}` with what differs."""
        if self._committer is None:
            return {"error": "this tracker cannot recompute roots"}
        ours = own_edges(receipts, request.peers)
        differences = Differences.between(request.edges, ours)
        if differences:
            return {
                "error": "edges differ",
                "missing": differences.missing,
                "unknown": differences.unknown,
                "other": differences.other,
            }
        root = self._committer(ours, request.pretrust, request.seed)
        if root != request.root:
            return {"error": "root differs", "root": root.hex()}
        digest = attestation_digest(
            request.chain_id, request.pool, request.epoch, request.root, request.rules
        )
        return {
            "signature": self._signer.sign(digest).hex(),
            "public_key": self._signer.public.hex(),
            "digest": digest.hex(),
        }
