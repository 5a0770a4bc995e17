"""Piece layers of v2 torrents, to and from peers (BEP 52).

A v2 magnet link brings the info dictionary, and in it only one root a file;
the hashes of the pieces are asked of peers, each answer proved against the root
before it counts. Whoever has a file whole can also hash it himself. To serve
layers, a file's tree is built from its layer once.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from axon.bt.hashtree import (
    HASH_SIZE,
    LEAF_SIZE,
    MAX_REQUESTED_HASHES,
    LayerTree,
    height,
    leaf_hashes,
    merkle_root,
    verify_hashes,
)
from axon.bt.messages import Hashes, HashRequest
from axon.bt.metainfo import Metainfo
from axon.errors import RemoteProtocolError

__all__ = ["LayerFetch", "LayerServer", "hash_pieces"]

_IN_FLIGHT = 4  # requests to one peer
_TIMEOUT = 20.0  # seconds
_TREES = 16  # kept at a time


@dataclass(slots=True)
class _Ask:
    request: HashRequest
    top: int  # layer of the root
    peer: Hashable = None
    asked_at: float = 0.0
    answer: bytes | None = None


class LayerFetch:
    """Collects the layers that a torrent lacks."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._metainfo = metainfo
        self._asks: list[_Ask] = []
        self._refused: set[tuple[Hashable, HashRequest]] = set()
        base = height(metainfo.piece_length // LEAF_SIZE)
        for root in metainfo.missing_piece_layers:
            length = next(file.length for file in metainfo.files if file.pieces_root == root)
            top = height(-(-length // LEAF_SIZE))
            pieces = -(-length // metainfo.piece_length)
            size = min(MAX_REQUESTED_HASHES, 1 << height(pieces))
            for index in range(0, pieces, size):
                request = HashRequest(root, base, index, size, top - base - 1)
                self._asks.append(_Ask(request, top))

    def requests(self, peer: Hashable, now: float) -> list[HashRequest]:
        """What to ask of a peer now; counted as asked."""
        busy = sum(ask.peer == peer and ask.answer is None for ask in self._asks)
        chosen = list[HashRequest]()
        for ask in self._asks:
            if busy + len(chosen) >= _IN_FLIGHT:
                break
            free = ask.answer is None and (ask.peer is None or now - ask.asked_at > _TIMEOUT)
            if free and (peer, ask.request) not in self._refused:
                if ask.peer == peer:
                    continue  # it had its chance; asking twice is against the rules
                ask.peer, ask.asked_at = peer, now
                chosen.append(ask.request)
        return chosen

    def received(self, hashes: Hashes) -> Metainfo | None:
        """Take an answer; the torrent with all its layers once nothing is missing.

        Raises
        ------
        RemoteProtocolError
            If the hashes do not lead to the root.
        """
        request = hashes.request
        for ask in self._asks:
            if ask.request == request and ask.answer is None:
                row = [hashes.hashes[at : at + HASH_SIZE] for at in range(0, len(hashes.hashes), HASH_SIZE)]
                good = verify_hashes(
                    request.pieces_root, ask.top, request.base_layer, request.index, request.length, row
                )
                if not good:
                    ask.peer = None
                    raise RemoteProtocolError(f"hashes: {len(row)} that do not lead to their root")
                ask.answer = bytes(hashes.hashes[: HASH_SIZE * request.length])
        if any(ask.answer is None for ask in self._asks):
            return None
        layers: dict[bytes, bytes] = {}
        for ask in self._asks:
            layers[ask.request.pieces_root] = layers.get(ask.request.pieces_root, b"") + (ask.answer or b"")
        for root, layer in layers.items():
            length = next(file.length for file in self._metainfo.files if file.pieces_root == root)
            layers[root] = layer[: HASH_SIZE * -(-length // self._metainfo.piece_length)]
        return self._metainfo.with_piece_layers(layers)

    def rejected(self, peer: Hashable, request: HashRequest) -> None:
        """A peer will not tell."""
        self._refused.add((peer, request))
        self.gone(peer, request)

    def gone(self, peer: Hashable, request: HashRequest | None = None) -> None:
        """A peer left; what it owes is asked of others."""
        for ask in self._asks:
            if ask.peer == peer and ask.answer is None and request in (None, ask.request):
                ask.peer = None


def hash_pieces(
    metainfo: Metainfo, number: int, pieces: Iterable[int], read: Callable[[int, int, memoryview], None]
) -> bytes:
    """Return the part of a file's piece layer that is above these of its pieces.

    Parameters
    ----------
    number : int
        Of a file longer than a piece.
    read : callable (index, begin, buffer)
        Fills the buffer with a piece's bytes.
    """
    file, up = metainfo.files[number], height(metainfo.piece_length // LEAF_SIZE)
    buffer = memoryview(bytearray(metainfo.piece_length))
    layer = b""
    for index in pieces:
        payload = buffer[: min(metainfo.piece_length, file.end - index * metainfo.piece_length)]
        read(index, 0, payload)
        layer += merkle_root(leaf_hashes(payload), 0, up)
    return layer


class LayerServer:
    """Answers hash requests from a torrent's piece layers."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._metainfo = metainfo
        self._layer = height(metainfo.piece_length // LEAF_SIZE)
        self._trees: dict[bytes, LayerTree] = {}

    def answer(self, request: HashRequest) -> bytes | None:
        """Return the hashes and uncles, or None to reject."""
        root = request.pieces_root
        tree = self._trees.get(root)
        if tree is None:
            layer = self._metainfo.piece_layers.get(root)
            if layer is None:
                return None
            if len(self._trees) >= _TREES:
                del self._trees[next(iter(self._trees))]
            row = [layer[at : at + HASH_SIZE] for at in range(0, len(layer), HASH_SIZE)]
            tree = self._trees[root] = LayerTree(row, self._layer)
        found = tree.hashes(request.base_layer, request.index, request.length, request.proof_layers)
        return None if found is None else b"".join(found)
