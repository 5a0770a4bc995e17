"""The SHA-256 trees of v2 torrents (BEP 52).

A file is cut into 16-KiB leaves; the last one is hashed as short as it is. The
row of leaf hashes is filled up with zero *hashes* to a power of two, and each
pair hashes to its parent up to the file's `pieces root`. The row whose nodes
cover one piece each is the file's piece layer. Layer 0 is the row of leaves.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from axon.bt.sha_lanes import sha256_lanes

__all__ = [
    "LEAF_SIZE",
    "MAX_REQUESTED_HASHES",
    "LayerTree",
    "height",
    "layer_root",
    "leaf_hashes",
    "merkle_root",
    "pad_hash",
    "proof_size",
    "verify_hashes",
]

LEAF_SIZE = 16 * 1024  # bytes
HASH_SIZE = 32  # bytes
MAX_REQUESTED_HASHES = 512  # most base hashes in one request (BEP 52)


def height(count: int) -> int:
    """Return how many layers stand above a row of `count` nodes: ceil(log2), 0 for one node."""
    return (count - 1).bit_length() if count > 1 else 0


@cache
def pad_hash(layer: int) -> bytes:
    """Return the node in `layer` above nothing but zero leaf hashes."""
    if layer == 0:
        return bytes(HASH_SIZE)
    below = pad_hash(layer - 1)
    return sha256(below + below).digest()


def leaf_hashes(data: bytes | bytearray | memoryview) -> list[bytes]:
    """Hash 16-KiB leaves; the last may be short. Nothing has no leaves."""
    return sha256_lanes.blocks(data, LEAF_SIZE)


def merkle_root(row: Sequence[bytes], layer: int = 0, up: int | None = None) -> bytes:
    """Hash a row of nodes in `layer` to the node `up` layers above its first.

    Parameters
    ----------
    row : sequence of 32-byte hashes, not empty
    layer : int
        Where the row stands; decides the hash that fills it up.
    up : int, optional
        At least, and by default, what it takes to come to one node.

    Raises
    ------
    ValueError
        If the row is empty, or too long for `up`.
    """
    need = height(len(row))
    up = need if up is None else up
    if not row or up < need:
        raise ValueError(f"{len(row)} hashes do not fit under a node {up} layers up")
    nodes = list(row)
    for level in range(layer, layer + up):
        if len(nodes) % 2:
            nodes.append(pad_hash(level))
        nodes = [sha256(nodes[k] + nodes[k + 1]).digest() for k in range(0, len(nodes), 2)]
    return nodes[0]


def layer_root(layer: bytes, piece_length: int) -> bytes:
    """Return the `pieces root` above a piece layer, given as in a torrent: 32 bytes a piece, not empty."""
    row = [layer[k : k + HASH_SIZE] for k in range(0, len(layer), HASH_SIZE)]
    return merkle_root(row, height(piece_length // LEAF_SIZE))


class LayerTree:
    """Everything from one row of a file's tree up to the root, for answering hash requests.

    Parameters
    ----------
    row : sequence of 32-byte hashes, not empty
        The nodes of one layer, without padding.
    layer : int
        Which layer: 0 for leaves, log2(piece length / 16 KiB) for a piece layer.
    """

    def __init__(self, row: Sequence[bytes], layer: int) -> None:
        if not row:
            raise ValueError("a tree needs at least one node")
        self.layer = layer
        self._rows = [list(row)]
        for level in range(layer, layer + height(len(row))):
            below = self._rows[-1]
            if len(below) % 2:
                below = [*below, pad_hash(level)]
            self._rows.append([sha256(below[k] + below[k + 1]).digest() for k in range(0, len(below), 2)])

    @property
    def root(self) -> bytes:
        """The file's `pieces root`."""
        return self._rows[-1][0]

    def node(self, layer: int, index: int) -> bytes:
        """Return a node; right of the file's end it is padding."""
        row = self._rows[layer - self.layer]
        return row[index] if index < len(row) else pad_hash(layer)

    def hashes(self, base_layer: int, index: int, length: int, proof_layers: int) -> list[bytes] | None:
        """Answer a hash request (BEP 52): base hashes from the left, then uncles from the lowest up.

        Returns
        -------
        list of `length` hashes and `proof_size(length, proof_layers)` uncles, or None
            None where the request must be rejected: it lies outside the tree, is not aligned, or
            asks for a layer below the one that is known here.
        """
        top = self.layer + len(self._rows) - 1
        span = height(length)
        if not 2 <= length <= MAX_REQUESTED_HASHES or length & (length - 1) or index < 0 or index % length:
            return None
        if not self.layer <= base_layer <= top - span or index >> (top - base_layer):
            return None
        if not 0 <= proof_layers < max(1, top - base_layer):
            return None
        answer = [self.node(base_layer, index + k) for k in range(length)]
        for up in range(span, span + proof_size(length, proof_layers)):
            answer.append(self.node(base_layer + up, (index >> up) ^ 1))
        return answer


def proof_size(length: int, proof_layers: int) -> int:
    """Return how many uncles follow `length` base hashes: layers that these hash to themselves need none."""
    return max(0, proof_layers - height(length) + 1)


def verify_hashes(
    root: bytes, top: int, base_layer: int, index: int, length: int, hashes: Sequence[bytes]
) -> bool:
    """Check base hashes with the uncles after them against a file's root.

    Parameters
    ----------
    root : bytes
        `pieces root`.
    top : int
        The root's layer: `height` of the number of leaves (of a file longer than a piece).
    base_layer, index, length : int
        As requested.
    hashes : sequence of 32-byte hashes
        As answered; the uncles must lead all the way to the root.
    """
    span = height(length)
    if length < 1 or length & (length - 1) or index < 0 or index % length:
        return False
    if base_layer < 0 or base_layer + span > top or index >> (top - base_layer):
        return False
    if len(hashes) != length + top - base_layer - span or any(len(one) != HASH_SIZE for one in hashes):
        return False
    node = merkle_root(hashes[:length], base_layer, span)
    for up, uncle in enumerate(hashes[length:], span):
        node = sha256(uncle + node if index >> up & 1 else node + uncle).digest()
    return node == root
