"""The swarm store compiled: what `swarms.py` does, in memory of its own.

Torrents are `kernel_torrents.py`'s, their peers `kernel_slices.py`'s; here are the operations on both.
"""

from typing import Any

from numba import int64, uint64

from axon.tracker.jit import jit
from axon.tracker.kernel_slices import add_peer, drop_peer, keys_at, locate, move, resize, set_seeds, swap
from axon.tracker.kernel_torrents import (
    BUDGET,
    COMPLETED,
    COST,
    COST4,
    COST6,
    CURSOR,
    OUT_L,
    OUT_S,
    RANDOM,
    RECORD_CAPACITY,
    RECORD_SIZE,
    RECORDS,
    SLICE,
    TABLE,
    TABLE_BITS,
    TORRENTS,
    add_torrent,
    find,
    remove,
)
from axon.tracker.memory import free, memcpy, peek8, peek32, poke8, poke32
from axon.tracker.swarms import TORRENT_COST, TTL_TICKS

__all__ = ["announce", "counts", "destroy", "draw", "find", "remove", "sweep", "view"]

_STOPPED, _COMPLETED_EVENT, _PAUSED = 3, 1, 4


@jit
def _below(header: Any, bound: int64) -> int64:
    x = uint64(header[RANDOM])
    x ^= x << uint64(13)
    x ^= x >> uint64(7)
    x ^= x << uint64(17)
    header[RANDOM] = int64(x)
    return int64(((x >> uint64(32)) * uint64(bound)) >> uint64(32))


@jit
def counts(header: Any, record: int64) -> None:
    """Put a torrent's seeders and leechers into `OUT_S` and `OUT_L`."""
    seeds = int64(peek32(record + SLICE + 12) + peek32(record + SLICE + 44))
    header[OUT_S] = seeds
    header[OUT_L] = int64(peek32(record + SLICE + 8) + peek32(record + SLICE + 40)) - seeds


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
    cost = COST6 if family else COST4
    record = find(header, info_hash)
    if record == 0:
        if event == _STOPPED:
            header[OUT_S] = header[OUT_L] = 0
            return 0
        if header[COST] + TORRENT_COST + cost > header[BUDGET]:
            return -1
        record = add_torrent(header, info_hash)
        if record == 0:
            return -1
    part = record + SLICE + 32 * family
    at = locate(header, part, key, size)
    if event == _STOPPED:
        if at >= 0:
            drop_peer(header, part, family, at)
        counts(header, record)
        return 0
    if at < 0 and header[COST] + cost <= header[BUDGET]:
        at = add_peer(header, part, family, key)
    seeds = int64(peek32(part + 12))
    was_seed = 0 <= at < seeds
    if event == _COMPLETED_EVENT and not was_seed:
        poke32(record + COMPLETED, peek32(record + COMPLETED) + uint64(1))
    if at >= 0:
        stamps = keys_at(part) + size * int64(peek32(part + 16))
        partial = int64(1) if event == _PAUSED and not seed else int64(0)
        was = int64(peek8(stamps + at) >> uint64(7))
        poke32(part + 24, uint64(int64(peek32(part + 24)) + partial - was))
        poke8(stamps + at, uint64((tick & 0x7F) | (partial << 7)))
        if seed and not was_seed:
            swap(header, part, at, seeds, size)
            set_seeds(header, part, 1)
            at = seeds
        elif not seed and was_seed:
            set_seeds(header, part, -1)
            swap(header, part, at, seeds - 1, size)
            at = seeds - 1
    counts(header, record)
    return draw(header, record, family, at, seed or event == _PAUSED, want, out)


@jit
def draw(
    header: Any, record: int64, family: int64, own: int64, leechers_only: bool, want: int64, out: int64
) -> int64:
    """Write a fair sample of the peers other than the one at `own`; return its bytes."""
    part = record + SLICE + 32 * family
    size = int64(18) if family else int64(6)
    total, seeds = int64(peek32(part + 8)), int64(peek32(part + 12))
    keys = keys_at(part)
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
        move(out + size * k, base + size * (at + (1 if at >= own else 0)), size)
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
            part = record + SLICE + 32 * family
            size = int64(18) if family else int64(6)
            peers = int64(peek32(part + 8))
            for at in range(peers - 1, -1, -1):
                stamp = int64(peek8(keys_at(part) + size * int64(peek32(part + 16)) + at))
                if ((tick - stamp) & 0x7F) > TTL_TICKS:
                    drop_peer(header, part, family, at)
                    gone += 1
            budget -= peers
            left, capacity = int64(peek32(part + 8)), int64(peek32(part + 16))
            if capacity > 8 and left * 4 < capacity:
                resize(header, part, size, max(int64(4), left + left // 2))
        if peek32(record + SLICE + 8) + peek32(record + SLICE + 40) == uint64(0):
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
    part = record + SLICE + 32 * family
    keys = keys_at(part)
    row[0] = record
    row[1] = int64(peek32(record + COMPLETED))
    row[2] = keys
    row[3] = keys + (18 if family else 6) * int64(peek32(part + 16))
    row[4] = int64(peek32(part + 8))
    row[5] = int64(peek32(part + 12))
    row[6] = int64(peek32(part + 24))
