"""The `info` dictionary from peers and to peers, for magnet links: ut_metadata (BEP 9).

A message is a bencoded dictionary, behind which a data message carries up to
16 KiB raw. Nobody's word is taken: sizes may differ from peer to peer, and
pieces may be forged. So what is gathered is kept apart by claimed size, and once
a mixture of several peers' pieces fails its hash, pieces are no longer mixed.
"""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from axon.bt.bencode import decode_prefix, encode
from axon.bt.extended import MAX_ITEMS, MAX_METADATA
from axon.errors import BencodeError, RemoteProtocolError

__all__ = [
    "METADATA_PIECE",
    "MetadataDownload",
    "MetadataMessage",
    "MetadataType",
    "MetadataUpload",
    "info_hash_check",
]

METADATA_PIECE = 16 * 1024  # bytes (BEP 9)
_IN_FLIGHT = 4  # requests to one peer at a time
_TIMEOUT = 30.0  # seconds until a request is given to somebody else
_BUDGET = 2 * MAX_METADATA  # bytes held in all gatherings


class MetadataType(IntEnum):
    """`msg_type`."""

    REQUEST = 0
    DATA = 1
    REJECT = 2


@dataclass(frozen=True, slots=True)
class MetadataMessage:
    """One message; `data` and `total_size` only in DATA."""

    kind: MetadataType
    piece: int
    total_size: int | None = None
    data: bytes = b""

    @classmethod
    def parse(cls, payload: bytes) -> Self | None:
        """Read a payload; None for a type that BEP 9 tells to ignore.

        Raises
        ------
        RemoteProtocolError
            If it is not a dictionary of the right shape.
        """
        try:
            told, end = decode_prefix(payload, max_items=MAX_ITEMS, strict=False)
        except BencodeError as error:
            raise RemoteProtocolError(f"ut_metadata: {error}") from None
        if not isinstance(told, dict):
            raise RemoteProtocolError(f"ut_metadata: a {type(told).__name__}, want a dictionary")
        kind, piece, total = told.get(b"msg_type"), told.get(b"piece"), told.get(b"total_size")
        if type(kind) is not int or type(piece) is not int or piece < 0:
            raise RemoteProtocolError(f"ut_metadata: msg_type {kind!r:.20}, piece {piece!r:.20}")
        if kind not in (0, 1, 2):
            return None
        data = bytes(payload[end:])
        if kind != MetadataType.DATA:
            return cls(MetadataType(kind), piece)
        if type(total) is not int or not 0 < total <= MAX_METADATA:
            raise RemoteProtocolError(f"ut_metadata: total_size {total!r:.20}, want 1 to {MAX_METADATA}")
        if len(data) > METADATA_PIECE:
            raise RemoteProtocolError(
                f"ut_metadata: {len(data)} bytes of data, want at most {METADATA_PIECE}"
            )
        return cls(MetadataType.DATA, piece, total, data)

    def serialize(self) -> bytes:
        told = {b"msg_type": int(self.kind), b"piece": self.piece}
        if self.kind is MetadataType.DATA:
            told[b"total_size"] = self.total_size or 0
        return encode(told) + self.data


def info_hash_check(info_hash: bytes | None, info_hash_v2: bytes | None) -> Callable[[bytes], bool]:
    """A test of raw `info` against a magnet's hashes: SHA-1 (20 bytes), SHA-256 (32 bytes), or both."""

    def check(raw: bytes) -> bool:
        return (info_hash is None or hashlib.sha1(raw).digest() == info_hash) and (
            info_hash_v2 is None or hashlib.sha256(raw).digest() == info_hash_v2
        )

    return check


@dataclass(slots=True)
class _Peer:
    size: int
    asked: dict[int, float] = field(default_factory=dict)  # piece -> when
    refused: set[int] = field(default_factory=set)
    void: set[int] = field(default_factory=set)  # asked for a gathering that is gone


@dataclass(slots=True)
class _Gathering:
    """The pieces of one claimed size; of one peer only, once mixing has failed."""

    size: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    senders: set[Hashable] = field(default_factory=set)
    held: int = 0  # bytes in `pieces`

    @property
    def count(self) -> int:
        return -(-self.size // METADATA_PIECE)

    def length(self, piece: int) -> int:
        return min(METADATA_PIECE, self.size - piece * METADATA_PIECE)


class MetadataDownload:
    """Fetch `info` from any number of peers.

    Parameters
    ----------
    check : callable (raw info) -> bool
        Usually `info_hash_check(...)`.

    Notes
    -----
    For every peer: `add` when its extension handshake gives a metadata_size,
    `requests` whenever it might take more (after `add`, after `received`, and
    now and then), `received` for each message, `remove` when it is gone.
    """

    def __init__(self, check: Callable[[bytes], bool]) -> None:
        self._check = check
        self._peers: dict[Hashable, _Peer] = {}
        self._gatherings: dict[tuple[int, Hashable | None], _Gathering] = {}
        self._apart: set[int] = set()  # sizes of which a mixture failed
        self.info: bytes | None = None

    def add(self, peer: Hashable, size: int) -> None:
        """A peer claims to have metadata of `size` bytes; a changed claim replaces the old one.

        Raises
        ------
        RemoteProtocolError
            If the size is absurd, or changes while requests wait.
        """
        if not 0 < size <= MAX_METADATA:
            raise RemoteProtocolError(f"ut_metadata: size {size}, want 1 to {MAX_METADATA}")
        known = self._peers.get(peer)
        if known is None:
            self._peers[peer] = _Peer(size)
        elif known.size != size:
            raise RemoteProtocolError(f"ut_metadata: size {size}, was {known.size}")

    def remove(self, peer: Hashable) -> None:
        """A peer is gone; what it was asked for may be asked of others."""
        known = self._peers.pop(peer, None)
        if known is not None:
            self._gatherings.pop((known.size, peer), None)
            if not any(other.size == known.size for other in self._peers.values()):
                self._gatherings.pop((known.size, None), None)

    def requests(self, peer: Hashable, now: float) -> list[MetadataMessage]:
        """What to ask of a peer now; counted as asked."""
        known = self._peers.get(peer)
        if self.info is not None or known is None:
            return []
        gathering = self._gathering(peer, known)
        busy = set(known.asked) | known.refused
        if known.size not in self._apart:
            for other in self._peers.values():
                if other.size == known.size:
                    busy.update(p for p, when in other.asked.items() if now < when + _TIMEOUT)
        asks = []
        for piece in range(gathering.count):
            if len(known.asked) >= _IN_FLIGHT:
                break
            if piece not in gathering.pieces and piece not in busy:
                known.asked[piece] = now
                asks.append(MetadataMessage(MetadataType.REQUEST, piece))
        return asks

    def received(self, peer: Hashable, message: MetadataMessage) -> bytes | None:
        """Take a DATA or REJECT message; the whole raw `info` once it is complete and verified.

        Raises
        ------
        RemoteProtocolError
            If it was not asked for or does not fit, or if all pieces came from this
            peer and their hash is wrong: the peer is removed, hang up.
        """
        known = self._peers.get(peer)
        if self.info is not None or message.kind is MetadataType.REQUEST:
            return None
        if known is not None and message.piece not in known.asked and message.piece in known.void:
            known.void.discard(message.piece)
            return None
        if known is None or message.piece not in known.asked:
            self.remove(peer)
            raise RemoteProtocolError(
                f"ut_metadata: {message.kind.name} of piece {message.piece} not asked for"
            )
        del known.asked[message.piece]
        if message.kind is MetadataType.REJECT:
            known.refused.add(message.piece)
            return None
        gathering = self._gathering(peer, known)
        want = gathering.length(message.piece)
        if message.total_size != known.size or len(message.data) != want:
            size = known.size
            self.remove(peer)
            raise RemoteProtocolError(
                f"ut_metadata: {len(message.data)} bytes of {message.total_size}, want {want} of {size}"
            )
        if message.piece not in gathering.pieces:
            gathering.pieces[message.piece] = message.data
            gathering.senders.add(peer)
            gathering.held += want
        if len(gathering.pieces) == gathering.count:
            return self._finish(peer, gathering)
        if sum(each.held for each in self._gatherings.values()) > _BUDGET:
            # Liars claim large sizes and send on: they may do so for ever, one at a time.
            self._forget(max(self._gatherings.values(), key=lambda each: each.held))
        return None

    def deadline(self) -> float:
        """When a request times out and `requests` of other peers may yield more."""
        times = [when for peer in self._peers.values() for when in peer.asked.values()]
        return min(times) + _TIMEOUT if times and self.info is None else float("inf")

    def on_deadline(self, now: float) -> list[Hashable]:
        """Peers that left a request unanswered for 30 s: they get no more; drop them if places are scarce."""
        slow = [
            peer
            for peer, known in self._peers.items()
            if any(now >= when + _TIMEOUT for when in known.asked.values())
        ]
        for peer in slow:
            self.remove(peer)
        return slow

    def _gathering(self, peer: Hashable, known: _Peer) -> _Gathering:
        key = (known.size, peer if known.size in self._apart else None)
        return self._gatherings.setdefault(key, _Gathering(known.size))

    def _forget(self, gathering: _Gathering) -> None:
        for key in [key for key, found in self._gatherings.items() if found is gathering]:
            del self._gatherings[key]
        for sender in gathering.senders & set(self._peers):
            self._peers[sender].void.update(self._peers[sender].asked)
            self._peers[sender].asked.clear()

    def _finish(self, peer: Hashable, gathering: _Gathering) -> bytes | None:
        raw = b"".join(gathering.pieces[i] for i in range(gathering.count))
        if self._check(raw):
            self.info = raw
            self._gatherings.clear()
            return raw
        alone = gathering.senders == {peer}
        self._forget(gathering)
        if alone:
            self.remove(peer)
            raise RemoteProtocolError(f"ut_metadata: {len(raw)} bytes with another hash than the info-hash")
        # One of several lied: from now on whoever completes it, answers for all of it.
        self._apart.add(gathering.size)
        return None


class MetadataUpload:
    """Serve `info` to one peer.

    Everything may be fetched three times; then requests are rejected, and a
    peer that goes on for as long again is told to leave.
    """

    def __init__(self, info: bytes | None) -> None:
        self._info = info
        self._served = 0

    def answer(self, request: MetadataMessage) -> MetadataMessage:
        """DATA, or REJECT for a piece that does not exist or was fetched too often.

        Raises
        ------
        RemoteProtocolError
            For a flood of requests.
        """
        self._served += 1
        info = self._info or b""
        count = -(-len(info) // METADATA_PIECE)
        most = 3 * count + 16
        if self._served > 2 * most:
            raise RemoteProtocolError(f"ut_metadata: {self._served} requests for {count} pieces")
        if request.piece >= count or self._served > most:
            return MetadataMessage(MetadataType.REJECT, request.piece)
        at = request.piece * METADATA_PIECE
        return MetadataMessage(MetadataType.DATA, request.piece, len(info), info[at : at + METADATA_PIECE])
