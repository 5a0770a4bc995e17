"""The compiled swarm store's slices: a torrent's peers of one address family.

A slice is one block: `index | keys | stamps`, where the index (only above 16 peers) is open
addressing, of positions, hashed with secrets. Seeds come first, then leechers.
`part` is the address of a slice's 32 bytes within its record (`kernel_torrents.py`).
"""

from typing import Any

from numba import int64, uint64

from axon.tracker.jit import jit
from axon.tracker.kernel_torrents import COST, COST4, COST6, PEERS, SECRET, SEEDS, mix
from axon.tracker.memory import (
    free,
    malloc,
    memcpy,
    peek8,
    peek16,
    peek32,
    peek64,
    poke8,
    poke16,
    poke32,
    poke64,
)


@jit
def _hash_peer(header: Any, address: int64, size: int64) -> uint64:
    if size == 6:
        return mix((peek32(address) | (peek16(address + 4) << uint64(32))) ^ uint64(header[SECRET]))
    x = mix(peek64(address) ^ uint64(header[SECRET]))
    x = mix((x + peek64(address + 8)) ^ uint64(header[SECRET + 1]))
    return mix(x + peek16(address + 16))


__all__ = ["add_peer", "drop_peer", "keys_at", "locate", "move", "resize", "set_seeds", "swap"]


@jit
def _same(a: int64, b: int64, size: int64) -> bool:
    if size == 6:
        return bool(peek32(a) == peek32(b) and peek16(a + 4) == peek16(b + 4))
    same = peek64(a) == peek64(b) and peek64(a + 8) == peek64(b + 8)
    return bool(same and peek16(a + 16) == peek16(b + 16))


@jit
def move(target: int64, source: int64, size: int64) -> None:
    if size == 6:
        poke32(target, peek32(source))
        poke16(target + 4, peek16(source + 4))
    else:
        poke64(target, peek64(source))
        poke64(target + 8, peek64(source + 8))
        poke16(target + 16, peek16(source + 16))


@jit
def keys_at(part: int64) -> int64:
    bits = peek32(part + 20)
    return int64(peek64(part)) + ((int64(4) << int64(bits)) if bits else 0)


@jit
def locate(header: Any, part: int64, key: int64, size: int64) -> int64:
    """Return the position of a peer, or -1."""
    peers, bits = int64(peek32(part + 8)), int64(peek32(part + 20))
    keys = keys_at(part)
    if bits == 0:
        for at in range(peers):
            if _same(keys + size * at, key, size):
                return at
        return -1
    index, mask = int64(peek64(part)), (int64(1) << bits) - 1
    slot = int64(_hash_peer(header, key, size)) & mask
    while True:
        at = int64(peek32(index + 4 * slot)) - 1
        if at < 0 or _same(keys + size * at, key, size):
            return at
        slot = (slot + 1) & mask


@jit
def _index_slot(header: Any, part: int64, at: int64, size: int64) -> int64:
    """Return the address of the index entry of position `at`; the index exists."""
    index, mask = int64(peek64(part)), (int64(1) << int64(peek32(part + 20))) - 1
    slot = int64(_hash_peer(header, keys_at(part) + size * at, size)) & mask
    while int64(peek32(index + 4 * slot)) != at + 1:
        slot = (slot + 1) & mask
    return index + 4 * slot


@jit
def _index_add(header: Any, part: int64, at: int64, size: int64) -> None:
    index, mask = int64(peek64(part)), (int64(1) << int64(peek32(part + 20))) - 1
    slot = int64(_hash_peer(header, keys_at(part) + size * at, size)) & mask
    while peek32(index + 4 * slot) != uint64(0):
        slot = (slot + 1) & mask
    poke32(index + 4 * slot, uint64(at + 1))


@jit
def _index_drop(header: Any, part: int64, at: int64, size: int64) -> None:
    index, mask = int64(peek64(part)), (int64(1) << int64(peek32(part + 20))) - 1
    keys = keys_at(part)
    hole = (_index_slot(header, part, at, size) - index) // 4
    slot = hole
    while True:
        slot = (slot + 1) & mask
        entry = int64(peek32(index + 4 * slot))
        if entry == 0:
            break
        home = int64(_hash_peer(header, keys + size * (entry - 1), size)) & mask
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            poke32(index + 4 * hole, uint64(entry))
            hole = slot
    poke32(index + 4 * hole, uint64(0))


@jit
def resize(header: Any, part: int64, size: int64, capacity: int64) -> bool:
    """Move a slice into a block for `capacity` peers, with a fresh index; False if there is no memory."""
    bits = int64(0)
    if capacity > 16:
        while (int64(1) << bits) * 3 < capacity * 4:
            bits += 1
    head = (int64(4) << bits) if bits else int64(0)
    block = malloc(head + capacity * (size + 1))
    if block == 0:
        return False
    peers, old = int64(peek32(part + 8)), int64(peek64(part))
    if old:
        keys = keys_at(part)
        memcpy(block + head, keys, peers * size)
        memcpy(block + head + capacity * size, keys + size * int64(peek32(part + 16)), peers)
        free(old)
    poke64(part, uint64(block))
    poke32(part + 16, uint64(capacity))
    poke32(part + 20, uint64(bits))
    if bits:
        for slot in range(head // 8):
            poke64(block + 8 * slot, uint64(0))
        for at in range(peers):
            _index_add(header, part, at, size)
    return True


@jit
def swap(header: Any, part: int64, a: int64, b: int64, size: int64) -> None:
    if a == b:
        return
    keys = keys_at(part)
    if peek32(part + 20) != uint64(0):
        one, two = _index_slot(header, part, a, size), _index_slot(header, part, b, size)
        poke32(one, uint64(b + 1))
        poke32(two, uint64(a + 1))
    # The scratch holds the caller's key: go through registers.
    if size == 6:
        low, high = peek32(keys + 6 * a), peek16(keys + 6 * a + 4)
        move(keys + 6 * a, keys + 6 * b, 6)
        poke32(keys + 6 * b, low)
        poke16(keys + 6 * b + 4, high)
    else:
        first, second, port = (
            peek64(keys + 18 * a),
            peek64(keys + 18 * a + 8),
            peek16(keys + 18 * a + 16),
        )
        move(keys + 18 * a, keys + 18 * b, 18)
        poke64(keys + 18 * b, first)
        poke64(keys + 18 * b + 8, second)
        poke16(keys + 18 * b + 16, port)
    stamps = keys + size * int64(peek32(part + 16))
    stamp = peek8(stamps + a)
    poke8(stamps + a, peek8(stamps + b))
    poke8(stamps + b, stamp)


@jit
def set_seeds(header: Any, part: int64, change: int64) -> None:
    poke32(part + 12, uint64(int64(peek32(part + 12)) + change))
    header[SEEDS] += change


@jit
def drop_peer(header: Any, part: int64, family: int64, at: int64) -> None:
    """Remove the peer at a position."""
    size = int64(18) if family else int64(6)
    seeds, peers = int64(peek32(part + 12)), int64(peek32(part + 8))
    if at < seeds:
        set_seeds(header, part, -1)
        swap(header, part, at, seeds - 1, size)
        at = seeds - 1
    swap(header, part, at, peers - 1, size)
    stamps = keys_at(part) + size * int64(peek32(part + 16))
    poke32(part + 24, uint64(int64(peek32(part + 24)) - int64(peek8(stamps + peers - 1) >> uint64(7))))
    if peek32(part + 20) != uint64(0):
        _index_drop(header, part, peers - 1, size)
    poke32(part + 8, uint64(peers - 1))
    header[PEERS + family] -= 1
    header[COST] -= COST6 if family else COST4


@jit
def add_peer(header: Any, part: int64, family: int64, key: int64) -> int64:
    """Append a peer and return its position; -1 if there is no memory."""
    size = int64(18) if family else int64(6)
    peers, capacity = int64(peek32(part + 8)), int64(peek32(part + 16))
    if peers == capacity and not resize(header, part, size, max(int64(4), capacity + (capacity + 1) // 2)):
        return -1
    keys = keys_at(part)
    move(keys + size * peers, key, size)
    poke8(keys + size * int64(peek32(part + 16)) + peers, uint64(0))
    if peek32(part + 20) != uint64(0):
        _index_add(header, part, peers, size)
    poke32(part + 8, uint64(peers + 1))
    header[PEERS + family] += 1
    header[COST] += COST6 if family else COST4
    return peers
