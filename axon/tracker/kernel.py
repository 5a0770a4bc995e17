"""The swarm store compiled: what `swarms.py` does, in memory of its own.

State is one int64 array, the *header*, whose words are named below; a few hold
addresses. A torrent is a record of 12 words, found through an open-addressing
table of record numbers. A slice is one block: `index | keys | stamps`,
where the index (only above 16 peers) is again open addressing, of positions.
Both tables are hashed with secrets, so nobody can choose colliding keys.
"""

from typing import Any, Final

from numba import int64, uint64

from axon.tracker.jit import jit
from axon.tracker.memory import (
    calloc,
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
    realloc,
)
from axon.tracker.swarms import PEER_COST, TORRENT_COST, TTL_TICKS

__all__ = [
    "COMPLETED",
    "HEADER_WORDS",
    "RECORD_SIZE",
    "announce",
    "counts",
    "destroy",
    "draw",
    "find",
    "hash_torrent",
    "remove",
    "sweep",
    "view",
]

# Words of the header.
RANDOM: Final = 0
SECRET: Final = 1  # and 2
BUDGET: Final = 3
COST: Final = 4
RECORDS: Final = 5  # address
TORRENTS: Final = 6
RECORD_CAPACITY: Final = 7
TABLE: Final = 8  # address
TABLE_BITS: Final = 9
CURSOR: Final = 10  # of the sweeper
PEERS: Final = 11  # and 12, by family
SEEDS: Final = 13
KEY: Final = 14  # 14..16: scratch for a peer's 18 bytes
OUT_S: Final = 17  # results of `announce`
OUT_L: Final = 18
HEADER_WORDS: Final = 64  # the rest belongs to the packet kernels

# Bytes within a record: info-hash 20, completed 4, then for each family 32 bytes.
RECORD_SIZE: Final = 96
COMPLETED: Final = 20
_SLICE: Final = 24  # + 32 * family: address 8, peers 4, seeds 4, capacity 4, index bits 4, partial 4
_COST4, _COST6 = PEER_COST
_STOPPED, _COMPLETED_EVENT, _PAUSED = 3, 1, 4


@jit
def _mix(x: uint64) -> uint64:
    x ^= x >> uint64(33)
    x *= uint64(0xFF51AFD7ED558CCD)
    x ^= x >> uint64(33)
    x *= uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> uint64(33))


@jit
def hash_torrent(header: Any, address: int64) -> uint64:
    x = _mix(peek64(address) ^ uint64(header[SECRET]))
    x = _mix((x + peek64(address + 8)) ^ uint64(header[SECRET + 1]))
    return _mix(x + peek32(address + 16))


@jit
def _hash_peer(header: Any, address: int64, size: int64) -> uint64:
    if size == 6:
        return _mix((peek32(address) | (peek16(address + 4) << uint64(32))) ^ uint64(header[SECRET]))
    x = _mix(peek64(address) ^ uint64(header[SECRET]))
    x = _mix((x + peek64(address + 8)) ^ uint64(header[SECRET + 1]))
    return _mix(x + peek16(address + 16))


@jit
def _same(a: int64, b: int64, size: int64) -> bool:
    if size == 6:
        return bool(peek32(a) == peek32(b) and peek16(a + 4) == peek16(b + 4))
    same = peek64(a) == peek64(b) and peek64(a + 8) == peek64(b + 8)
    return bool(same and peek16(a + 16) == peek16(b + 16))


@jit
def _move(target: int64, source: int64, size: int64) -> None:
    if size == 6:
        poke32(target, peek32(source))
        poke16(target + 4, peek16(source + 4))
    else:
        poke64(target, peek64(source))
        poke64(target + 8, peek64(source + 8))
        poke16(target + 16, peek16(source + 16))


@jit
def _below(header: Any, bound: int64) -> int64:
    x = uint64(header[RANDOM])
    x ^= x << uint64(13)
    x ^= x >> uint64(7)
    x ^= x << uint64(17)
    header[RANDOM] = int64(x)
    return int64(((x >> uint64(32)) * uint64(bound)) >> uint64(32))


# Torrents.


@jit
def find(header: Any, info_hash: int64) -> int64:
    """Return the address of the record of the info-hash at an address, or 0."""
    if header[TORRENTS] == 0:
        return 0
    mask = (int64(1) << header[TABLE_BITS]) - 1
    slot = int64(hash_torrent(header, info_hash)) & mask
    while True:
        number = int64(peek32(header[TABLE] + 4 * slot))
        if number == 0:
            return 0
        record = header[RECORDS] + RECORD_SIZE * (number - 1)
        if (
            peek64(record) == peek64(info_hash)
            and peek64(record + 8) == peek64(info_hash + 8)
            and peek32(record + 16) == peek32(info_hash + 16)
        ):
            return record
        slot = (slot + 1) & mask


@jit
def _enter(header: Any, number: int64) -> None:
    """Put a record's number (from 1) into the table."""
    mask = (int64(1) << header[TABLE_BITS]) - 1
    slot = int64(hash_torrent(header, header[RECORDS] + RECORD_SIZE * (number - 1))) & mask
    while peek32(header[TABLE] + 4 * slot) != uint64(0):
        slot = (slot + 1) & mask
    poke32(header[TABLE] + 4 * slot, uint64(number))


@jit
def _add_torrent(header: Any, info_hash: int64) -> int64:
    """Return the address of a new, zeroed record; 0 if the system has no memory."""
    count = header[TORRENTS]
    if count == header[RECORD_CAPACITY]:
        capacity = max(int64(64), count + count // 2)
        records = realloc(header[RECORDS], capacity * RECORD_SIZE)
        if records == 0:
            return 0
        header[RECORDS], header[RECORD_CAPACITY] = records, capacity
    if header[TABLE] == 0 or 2 * (count + 1) > (int64(1) << header[TABLE_BITS]):
        bits = max(int64(7), header[TABLE_BITS] + 1)
        table = calloc(int64(1) << bits, 4)
        if table == 0:
            return 0
        if header[TABLE]:
            free(header[TABLE])
        header[TABLE], header[TABLE_BITS] = table, bits
        for number in range(1, count + 1):
            _enter(header, number)
    record = header[RECORDS] + RECORD_SIZE * count
    for word in range(RECORD_SIZE // 8):
        poke64(record + 8 * word, uint64(0))
    memcpy(record, info_hash, 20)
    header[TORRENTS] = count + 1
    _enter(header, count + 1)
    header[COST] += TORRENT_COST
    return record


@jit
def _slot_of(header: Any, record: int64) -> int64:
    """Return the table's slot that holds this record's number."""
    number = (record - header[RECORDS]) // RECORD_SIZE + 1
    mask = (int64(1) << header[TABLE_BITS]) - 1
    slot = int64(hash_torrent(header, record)) & mask
    while int64(peek32(header[TABLE] + 4 * slot)) != number:
        slot = (slot + 1) & mask
    return slot


@jit
def remove(header: Any, record: int64) -> None:
    """Forget a torrent; the last record takes its place."""
    mask = (int64(1) << header[TABLE_BITS]) - 1
    table = header[TABLE]
    for family in range(2):
        part = record + _SLICE + 32 * family
        peers = int64(peek32(part + 8))
        header[PEERS + family] -= peers
        header[SEEDS] -= int64(peek32(part + 12))
        header[COST] -= peers * (_COST6 if family else _COST4)
        free(int64(peek64(part)))
    header[COST] -= TORRENT_COST
    # Backward-shift deletion: no tombstones, so lookups stay short for ever.
    hole = _slot_of(header, record)
    slot = hole
    while True:
        slot = (slot + 1) & mask
        number = int64(peek32(table + 4 * slot))
        if number == 0:
            break
        home = int64(hash_torrent(header, header[RECORDS] + RECORD_SIZE * (number - 1))) & mask
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            poke32(table + 4 * hole, uint64(number))
            hole = slot
    poke32(table + 4 * hole, uint64(0))
    header[TORRENTS] -= 1
    last = header[RECORDS] + RECORD_SIZE * header[TORRENTS]
    if last != record:
        slot = _slot_of(header, last)
        memcpy(record, last, RECORD_SIZE)
        poke32(table + 4 * slot, uint64((record - header[RECORDS]) // RECORD_SIZE + 1))


# Slices. `part` is the address of a slice's 32 bytes within its record.


@jit
def _keys(part: int64) -> int64:
    bits = peek32(part + 20)
    return int64(peek64(part)) + ((int64(4) << int64(bits)) if bits else 0)


@jit
def _locate(header: Any, part: int64, key: int64, size: int64) -> int64:
    """Return the position of a peer, or -1."""
    peers, bits = int64(peek32(part + 8)), int64(peek32(part + 20))
    keys = _keys(part)
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
    slot = int64(_hash_peer(header, _keys(part) + size * at, size)) & mask
    while int64(peek32(index + 4 * slot)) != at + 1:
        slot = (slot + 1) & mask
    return index + 4 * slot


@jit
def _index_add(header: Any, part: int64, at: int64, size: int64) -> None:
    index, mask = int64(peek64(part)), (int64(1) << int64(peek32(part + 20))) - 1
    slot = int64(_hash_peer(header, _keys(part) + size * at, size)) & mask
    while peek32(index + 4 * slot) != uint64(0):
        slot = (slot + 1) & mask
    poke32(index + 4 * slot, uint64(at + 1))


@jit
def _index_drop(header: Any, part: int64, at: int64, size: int64) -> None:
    index, mask = int64(peek64(part)), (int64(1) << int64(peek32(part + 20))) - 1
    keys = _keys(part)
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
def _resize(header: Any, part: int64, size: int64, capacity: int64) -> bool:
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
        keys = _keys(part)
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
def _swap(header: Any, part: int64, a: int64, b: int64, size: int64) -> None:
    if a == b:
        return
    keys = _keys(part)
    if peek32(part + 20) != uint64(0):
        one, two = _index_slot(header, part, a, size), _index_slot(header, part, b, size)
        poke32(one, uint64(b + 1))
        poke32(two, uint64(a + 1))
    # The scratch holds the caller's key: go through registers.
    if size == 6:
        low, high = peek32(keys + 6 * a), peek16(keys + 6 * a + 4)
        _move(keys + 6 * a, keys + 6 * b, 6)
        poke32(keys + 6 * b, low)
        poke16(keys + 6 * b + 4, high)
    else:
        first, second, port = (
            peek64(keys + 18 * a),
            peek64(keys + 18 * a + 8),
            peek16(keys + 18 * a + 16),
        )
        _move(keys + 18 * a, keys + 18 * b, 18)
        poke64(keys + 18 * b, first)
        poke64(keys + 18 * b + 8, second)
        poke16(keys + 18 * b + 16, port)
    stamps = keys + size * int64(peek32(part + 16))
    stamp = peek8(stamps + a)
    poke8(stamps + a, peek8(stamps + b))
    poke8(stamps + b, stamp)


@jit
def _set_seeds(header: Any, part: int64, change: int64) -> None:
    poke32(part + 12, uint64(int64(peek32(part + 12)) + change))
    header[SEEDS] += change


@jit
def _drop(header: Any, part: int64, family: int64, at: int64) -> None:
    """Remove the peer at a position."""
    size = int64(18) if family else int64(6)
    seeds, peers = int64(peek32(part + 12)), int64(peek32(part + 8))
    if at < seeds:
        _set_seeds(header, part, -1)
        _swap(header, part, at, seeds - 1, size)
        at = seeds - 1
    _swap(header, part, at, peers - 1, size)
    stamps = _keys(part) + size * int64(peek32(part + 16))
    poke32(part + 24, uint64(int64(peek32(part + 24)) - int64(peek8(stamps + peers - 1) >> uint64(7))))
    if peek32(part + 20) != uint64(0):
        _index_drop(header, part, peers - 1, size)
    poke32(part + 8, uint64(peers - 1))
    header[PEERS + family] -= 1
    header[COST] -= _COST6 if family else _COST4


@jit
def _add(header: Any, part: int64, family: int64, key: int64) -> int64:
    """Append a peer and return its position; -1 if there is no memory."""
    size = int64(18) if family else int64(6)
    peers, capacity = int64(peek32(part + 8)), int64(peek32(part + 16))
    if peers == capacity and not _resize(header, part, size, max(int64(4), capacity + (capacity + 1) // 2)):
        return -1
    keys = _keys(part)
    _move(keys + size * peers, key, size)
    poke8(keys + size * int64(peek32(part + 16)) + peers, uint64(0))
    if peek32(part + 20) != uint64(0):
        _index_add(header, part, peers, size)
    poke32(part + 8, uint64(peers + 1))
    header[PEERS + family] += 1
    header[COST] += _COST6 if family else _COST4
    return peers


@jit
def counts(header: Any, record: int64) -> None:
    """Put a torrent's seeders and leechers into `OUT_S` and `OUT_L`."""
    seeds = int64(peek32(record + _SLICE + 12) + peek32(record + _SLICE + 44))
    header[OUT_S] = seeds
    header[OUT_L] = int64(peek32(record + _SLICE + 8) + peek32(record + _SLICE + 40)) - seeds


@jit
def announce(
    header: Any,
    info_hash: int64,
    family: int64,
    key: int64,
    seed: bool,
    event: int64,
    want: int64,
    tick: int64,
    out: int64,
) -> int64:
    """Do what `Swarms.announce` does; peers go to address `out`.

    Returns
    -------
    int64
        Bytes written; -1 if the torrent is new and the budget has no room.
    """
    size = int64(18) if family else int64(6)
    cost = _COST6 if family else _COST4
    record = find(header, info_hash)
    if record == 0:
        if event == _STOPPED:
            header[OUT_S] = header[OUT_L] = 0
            return 0
        if header[COST] + TORRENT_COST + cost > header[BUDGET]:
            return -1
        record = _add_torrent(header, info_hash)
        if record == 0:
            return -1
    part = record + _SLICE + 32 * family
    at = _locate(header, part, key, size)
    if event == _STOPPED:
        if at >= 0:
            _drop(header, part, family, at)
        counts(header, record)
        return 0
    if at < 0 and header[COST] + cost <= header[BUDGET]:
        at = _add(header, part, family, key)
    seeds = int64(peek32(part + 12))
    was_seed = 0 <= at < seeds
    if event == _COMPLETED_EVENT and not was_seed:
        poke32(record + COMPLETED, peek32(record + COMPLETED) + uint64(1))
    if at >= 0:
        stamps = _keys(part) + size * int64(peek32(part + 16))
        partial = int64(1) if event == _PAUSED and not seed else int64(0)
        was = int64(peek8(stamps + at) >> uint64(7))
        poke32(part + 24, uint64(int64(peek32(part + 24)) + partial - was))
        poke8(stamps + at, uint64((tick & 0x7F) | (partial << 7)))
        if seed and not was_seed:
            _swap(header, part, at, seeds, size)
            _set_seeds(header, part, 1)
            at = seeds
        elif not seed and was_seed:
            _set_seeds(header, part, -1)
            _swap(header, part, at, seeds - 1, size)
            at = seeds - 1
    counts(header, record)
    return draw(header, record, family, at, seed or event == _PAUSED, want, out)


@jit
def draw(
    header: Any, record: int64, family: int64, own: int64, leechers_only: bool, want: int64, out: int64
) -> int64:
    """Write a fair sample of the peers other than the one at `own`; return its bytes."""
    part = record + _SLICE + 32 * family
    size = int64(18) if family else int64(6)
    total, seeds = int64(peek32(part + 8)), int64(peek32(part + 12))
    keys = _keys(part)
    others_s = int64(0)
    if not leechers_only:
        others_s = seeds - (1 if 0 <= own < seeds else 0)
    others_l = total - seeds - (1 if own >= seeds else 0)
    if others_s + others_l <= want:
        take_s, take_l = others_s, others_l
    elif others_s == 0:
        take_s, take_l = int64(0), want
    else:
        take_s = want * others_s // (others_s + others_l)
        rest = want * others_s - take_s * (others_s + others_l)
        if _below(header, others_s + others_l) < rest:
            take_s += 1
        take_l = want - take_s
    written = _window(header, keys, others_s, own, take_s, size, out)
    return written + _window(header, keys + size * seeds, others_l, own - seeds, take_l, size, out + written)


@jit
def _window(
    header: Any, base: int64, others: int64, own: int64, take: int64, size: int64, out: int64
) -> int64:
    at = _below(header, others) if take < others else int64(0)
    if own < 0 or own >= others:
        # Nobody to jump over (one at the end never is reached): two straight copies.
        first = min(take, others - at)
        memcpy(out, base + size * at, first * size)
        memcpy(out + first * size, base, (take - first) * size)
        return take * size
    for k in range(take):
        _move(out + size * k, base + size * (at + (1 if at >= own else 0)), size)
        at += 1
        if at == others:
            at = int64(0)
    return take * size


@jit
def sweep(header: Any, tick: int64, budget: int64) -> int64:
    """Look at about `budget` peers from where the last call stopped; return how many were dropped."""
    gone = int64(0)
    while budget > 0 and header[TORRENTS] > 0:
        if header[CURSOR] <= 0 or header[CURSOR] > header[TORRENTS]:
            header[CURSOR] = header[TORRENTS]
        # Downward, so that the record which fills a gap is one that was seen already.
        record = header[RECORDS] + RECORD_SIZE * (header[CURSOR] - 1)
        header[CURSOR] -= 1
        budget -= 1
        for family in range(2):
            part = record + _SLICE + 32 * family
            size = int64(18) if family else int64(6)
            peers = int64(peek32(part + 8))
            for at in range(peers - 1, -1, -1):
                stamp = int64(peek8(_keys(part) + size * int64(peek32(part + 16)) + at))
                if ((tick - stamp) & 0x7F) > TTL_TICKS:
                    _drop(header, part, family, at)
                    gone += 1
            budget -= peers
            left, capacity = int64(peek32(part + 8)), int64(peek32(part + 16))
            if capacity > 8 and left * 4 < capacity:
                _resize(header, part, size, max(int64(4), left + left // 2))
        if peek32(record + _SLICE + 8) + peek32(record + _SLICE + 40) == uint64(0):
            remove(header, record)
        if header[CURSOR] == 0:
            break
    return gone


@jit
def destroy(header: Any) -> None:
    """Give all memory back."""
    while header[TORRENTS] > 0:
        remove(header, header[RECORDS] + RECORD_SIZE * (header[TORRENTS] - 1))
    if header[TABLE]:
        free(header[TABLE])
    if header[RECORDS]:
        free(header[RECORDS])
    header[TABLE] = header[RECORDS] = header[RECORD_CAPACITY] = header[TABLE_BITS] = 0


@jit
def view(header: Any, number: int64, family: int64, row: Any) -> None:
    """Describe a slice: row = hash at, completed, keys at, stamps at, peers, seeds, partial."""
    record = header[RECORDS] + RECORD_SIZE * number
    part = record + _SLICE + 32 * family
    keys = _keys(part)
    row[0] = record
    row[1] = int64(peek32(record + COMPLETED))
    row[2] = keys
    row[3] = keys + (18 if family else 6) * int64(peek32(part + 16))
    row[4] = int64(peek32(part + 8))
    row[5] = int64(peek32(part + 12))
    row[6] = int64(peek32(part + 24))
