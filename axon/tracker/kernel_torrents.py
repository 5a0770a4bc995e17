"""The compiled swarm store's torrents: its header, and a table that finds the record of an info-hash.

State is one int64 array, the *header*, whose words are named below; a few hold
addresses. A torrent is a record of 12 words, found through an open-addressing
table of record numbers, which is hashed with secrets, so nobody can choose colliding hashes.
"""

from typing import Any, Final

from numba import int64, uint64

from axon.tracker.jit import jit
from axon.tracker.memory import calloc, free, memcpy, peek32, peek64, poke32, poke64, realloc
from axon.tracker.swarms import PEER_COST, TORRENT_COST

__all__ = [
    "BUDGET",
    "COMPLETED",
    "COST",
    "COST4",
    "COST6",
    "CURSOR",
    "HEADER_WORDS",
    "KEY",
    "OUT_L",
    "OUT_S",
    "PEERS",
    "RANDOM",
    "RECORDS",
    "RECORD_CAPACITY",
    "RECORD_SIZE",
    "SECRET",
    "SEEDS",
    "SLICE",
    "TABLE",
    "TABLE_BITS",
    "TORRENTS",
    "add_torrent",
    "find",
    "hash_torrent",
    "mix",
    "remove",
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
SLICE: Final = 24  # + 32 * family: address 8, peers 4, seeds 4, capacity 4, index bits 4, partial 4
COST4, COST6 = PEER_COST


@jit
def mix(x: uint64) -> uint64:
    x ^= x >> uint64(33)
    x *= uint64(0xFF51AFD7ED558CCD)
    x ^= x >> uint64(33)
    x *= uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> uint64(33))


@jit
def hash_torrent(header: Any, address: int64) -> uint64:
    x = mix(peek64(address) ^ uint64(header[SECRET]))
    x = mix((x + peek64(address + 8)) ^ uint64(header[SECRET + 1]))
    return mix(x + peek32(address + 16))


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
def add_torrent(header: Any, info_hash: int64) -> int64:
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
        part = record + SLICE + 32 * family
        peers = int64(peek32(part + 8))
        header[PEERS + family] -= peers
        header[SEEDS] -= int64(peek32(part + 12))
        header[COST] -= peers * (COST6 if family else COST4)
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
