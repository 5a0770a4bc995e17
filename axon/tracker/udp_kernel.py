"""UDP tracker packets compiled: recvmmsg, answer, sendmmsg, a batch a call.

`packet` does what `Tracker.datagram` does, byte for byte (a test compares them);
`serve` moves batches. Signed announces are answered like any other and then named to the
caller, who has their signatures checked where it holds nobody up.
"""

from typing import Any, Final

from numba import int64, uint64

from axon.tracker import kernel, kernel_torrents
from axon.tracker.jit import jit
from axon.tracker.logic import ERRORS, MAX_WANT_UDP6, Count, Refusal
from axon.tracker.memory import (
    memcpy,
    peek8,
    peek16,
    peek32,
    peek64,
    poke8,
    poke16,
    poke32,
    poke64,
    recvmmsg,
    sendmmsg,
)

__all__ = ["BATCH", "PACKET", "fill_list", "packet", "permits", "serve"]

# Words of the header, after `kernel`'s.
KEYS: Final = 20  # 20..23: current key, previous key
INTERVAL: Final = 24
JITTER: Final = 25
DEFAULT_WANT: Final = 26
MAX_WANT: Final = 27
MIN_INTERVAL: Final = 28
TEXTS: Final = 29  # address; a row of 64 bytes an error, the first its length
LIST: Final = 30  # address of the listed info-hashes: 20 bytes, flags 4
LIST_BITS: Final = 31
LIST_ALLOWS: Final = 32  # 1 if only those flagged ALLOW are served
COUNTS: Final = 40  # 40..: `Count`
ALLOW: Final = 1
DENY: Final = 2

BATCH: Final = 64
PACKET: Final = 2048  # bytes of a buffer
_SIGNED: Final = 98 + 200  # bytes; a signed announce is no shorter
_PROTOCOL: Final = 0x41727101980
_DONTWAIT: Final = 0x40

# Words of a socket's array, see `udp.py`; the buffers behind them hold BATCH of each.
FD: Final = 0
RECEIVE: Final = 1  # mmsghdr, 64 bytes each
SEND: Final = 2
IN: Final = 3  # PACKET bytes each
OUT: Final = 4
FAMILY: Final = 5
DEFERRED: Final = 6  # how many, then from word 8 their places in the batch
UNSENT: Final = 7
SOCKET_WORDS: Final = 8 + BATCH

_N_ERRORS: Final = len(ERRORS)
_E_ID, _E_SHORT, _E_PORT = int(Refusal.CONNECTION_ID), int(Refusal.SHORT), int(Refusal.PORT)
_E_NOT_ALLOWED, _E_FULL, _E_SCRAPE = int(Refusal.NOT_ALLOWED), int(Refusal.FULL), int(Refusal.SCRAPE)
_E_ACTION = int(Refusal.ACTION)
_C_CONNECT, _C_ANNOUNCE = int(Count.UDP_CONNECTS), int(Count.UDP_ANNOUNCES)
_C_SCRAPE, _C_ERROR, _C_DROPPED = int(Count.UDP_SCRAPES), int(Count.UDP_ERRORS), int(Count.UDP_DROPPED)


@jit
def _rotate(x: uint64, by: int64) -> uint64:
    return (x << uint64(by)) | (x >> uint64(64 - by))


@jit
def _round(v0: uint64, v1: uint64, v2: uint64, v3: uint64) -> Any:
    v0 += v1
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 += v3
    v3 = _rotate(v3, 16) ^ v2
    v0 += v3
    v3 = _rotate(v3, 21) ^ v0
    v2 += v1
    v1 = _rotate(v1, 17) ^ v2
    return v0, v1, _rotate(v2, 32), v3


@jit
def siphash(k0: uint64, k1: uint64, m0: uint64, m1: uint64) -> uint64:
    """SipHash-2-4 of 16 bytes; see `connection_id.siphash`."""
    v0, v1 = k0 ^ uint64(0x736F6D6570736575), k1 ^ uint64(0x646F72616E646F6D)
    v2, v3 = k0 ^ uint64(0x6C7967656E657261), k1 ^ uint64(0x7465646279746573)
    for k in range(3):
        word = m0 if k == 0 else (m1 if k == 1 else uint64(16) << uint64(56))
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    v2 ^= uint64(0xFF)
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@jit
def big(address: int64, size: int64) -> uint64:
    """Read a big-endian integer."""
    value = uint64(0)
    for k in range(size):
        value = (value << uint64(8)) | peek8(address + k)
    return value


@jit
def put32(address: int64, value: int64) -> None:
    """Write four bytes, big-endian."""
    for k in range(4):
        poke8(address + k, uint64((value >> (24 - 8 * k)) & 0xFF))


@jit
def _list_slot(header: Any, info_hash: int64) -> int64:
    """Return the address of the list's entry for an info-hash, or of the empty one where it would be."""
    mask = (int64(1) << header[LIST_BITS]) - 1
    slot = int64(kernel_torrents.hash_torrent(header, info_hash)) & mask
    while True:
        entry = header[LIST] + 24 * slot
        if peek32(entry + 20) == uint64(0) or (
            peek64(entry) == peek64(info_hash)
            and peek64(entry + 8) == peek64(info_hash + 8)
            and peek32(entry + 16) == peek32(info_hash + 16)
        ):
            return entry
        slot = (slot + 1) & mask


@jit
def fill_list(header: Any, hashes: int64, count: int64, flag: int64) -> None:
    """Flag `count` info-hashes, 20 bytes each; the list's block is zeroed and large enough."""
    for k in range(count):
        entry = _list_slot(header, hashes + 20 * k)
        memcpy(entry, hashes + 20 * k, 20)
        poke32(entry + 20, peek32(entry + 20) | uint64(flag))


@jit
def permits(header: Any, info_hash: int64) -> bool:
    """Do what `Lists.permits` does."""
    if header[LIST] == 0:
        return True
    flags = int64(peek32(_list_slot(header, info_hash) + 20))
    return bool(flags & DENY == 0 and (header[LIST_ALLOWS] == 0 or flags & ALLOW != 0))


@jit
def _error(header: Any, which: int64, transaction: int64, out: int64) -> int64:
    text = header[TEXTS] + 64 * which
    put32(out, 3)
    poke32(out + 4, peek32(transaction))
    memcpy(out + 8, text + 1, int64(peek8(text)))
    header[COUNTS + _C_ERROR] += 1
    return 8 + int64(peek8(text))


@jit
def packet(
    header: Any, data: int64, length: int64, address: int64, family: int64, tick: int64, out: int64
) -> int64:
    """Answer the datagram of `length` bytes at `data`, from the packed `address`; return bytes, or 0."""
    action = int64(big(data + 8, 4))
    if length < 16 or (action == 0 and int64(big(data, 8)) != _PROTOCOL):
        header[COUNTS + _C_DROPPED] += 1
        return 0
    first = peek64(address) if family else peek32(address)
    second = peek64(address + 8) if family else uint64(0)
    current = siphash(uint64(header[KEYS]), uint64(header[KEYS + 1]), first, second)
    if action == 0:
        put32(out, 0)
        poke32(out + 4, peek32(data + 12))
        put32(out + 8, int64(current >> uint64(32)))
        put32(out + 12, int64(current & uint64(0xFFFFFFFF)))
        header[COUNTS + _C_CONNECT] += 1
        return 16
    given = big(data, 8)
    if given != current and given != siphash(
        uint64(header[KEYS + 2]), uint64(header[KEYS + 3]), first, second
    ):
        if length < 8 + int64(peek8(header[TEXTS] + 64 * _E_ID)):
            header[COUNTS + _C_DROPPED] += 1
            return 0
        return _error(header, _E_ID, data + 12, out)
    if action == 1:
        return _announce(header, data, length, address, family, tick, out)
    if action == 2:
        return _scrape(header, data, length, out)
    return _error(header, _E_ACTION, data + 12, out)


@jit
def _announce(
    header: Any, data: int64, length: int64, address: int64, family: int64, tick: int64, out: int64
) -> int64:
    if length < 98:
        return _error(header, _E_SHORT, data + 12, out)
    if peek16(data + 96) == uint64(0):
        return _error(header, _E_PORT, data + 12, out)
    if not permits(header, data + 16):
        return _error(header, _E_NOT_ALLOWED, data + 12, out)
    # A key must have an address, so the scratch for a key is the end of the reply.
    size = int64(16) if family else int64(4)
    key = out + 2000
    memcpy(key, address, size)
    poke16(key + size, peek16(data + 96))
    event = int64(big(data + 80, 4))
    if event > 4:
        event = int64(0)
    want = int64(big(data + 92, 4))
    if want >= 1 << 31:
        want = header[DEFAULT_WANT]
    limit = min(header[MAX_WANT], MAX_WANT_UDP6) if family else header[MAX_WANT]
    written = kernel.announce(
        header,
        data + 16,
        family,
        key,
        peek64(data + 64) == uint64(0),
        event,
        min(want, limit),
        tick,
        out + 20,
    )
    if written < 0:
        return _error(header, _E_FULL, data + 12, out)
    put32(out, 1)
    poke32(out + 4, peek32(data + 12))
    put32(out + 8, header[INTERVAL] + int64(big(data + 12, 4)) % (header[JITTER] + 1))
    put32(out + 12, header[kernel_torrents.OUT_L])
    put32(out + 16, header[kernel_torrents.OUT_S])
    header[COUNTS + _C_ANNOUNCE] += 1
    return 20 + written


@jit
def _scrape(header: Any, data: int64, length: int64, out: int64) -> int64:
    torrents = (length - 16) // 20
    if torrents < 1 or torrents > 74 or (length - 16) % 20 != 0:
        return _error(header, _E_SCRAPE, data + 12, out)
    put32(out, 2)
    poke32(out + 4, peek32(data + 12))
    for k in range(torrents):
        record = kernel.find(header, data + 16 + 20 * k)
        row = out + 8 + 12 * k
        header[kernel_torrents.OUT_S] = header[kernel_torrents.OUT_L] = 0
        completed = int64(0)
        if record:
            kernel.counts(header, record)
            completed = int64(peek32(record + kernel_torrents.COMPLETED))
        put32(row, header[kernel_torrents.OUT_S])
        put32(row + 4, completed)
        put32(row + 8, header[kernel_torrents.OUT_L])
    header[COUNTS + _C_SCRAPE] += 1
    return 8 + 12 * torrents


@jit
def serve(header: Any, socket: Any, tick: int64, rounds: int64) -> int64:
    """Answer up to `rounds` batches from a socket; return the datagrams read.

    Returns early after a batch that held signed announces, whose places in the
    batch are in `socket` from word 8 on, `socket[DEFERRED]` of them.
    """
    total = int64(0)
    socket[DEFERRED] = 0
    family = socket[FAMILY]
    name_size = int64(28) if family else int64(16)
    for _ in range(rounds):
        for k in range(BATCH):
            poke32(socket[RECEIVE] + 64 * k + 8, uint64(name_size))
        got = int64(recvmmsg(socket[FD], socket[RECEIVE], BATCH, _DONTWAIT, 0))
        if got <= 0:
            break
        replies = int64(0)
        for k in range(got):
            message = socket[RECEIVE] + 64 * k
            data, length = socket[IN] + PACKET * k, int64(peek32(message + 56))
            name = int64(peek64(message))
            address = name + (8 if family else 4)
            # Nothing is sent to port 0.
            if peek16(name + 2) == uint64(0):
                continue
            out = socket[OUT] + PACKET * replies
            size = packet(header, data, length, address, family, tick, out)
            if size == 0:
                continue
            if length >= _SIGNED and peek32(out) == uint64(0x01000000):
                socket[8 + socket[DEFERRED]] = k
                socket[DEFERRED] += 1
            reply = socket[SEND] + 64 * replies
            poke64(reply, uint64(name))
            poke64(int64(peek64(reply + 16)) + 8, uint64(size))
            replies += 1
        done = int64(0)
        while done < replies:
            sent = int64(sendmmsg(socket[FD], socket[SEND] + 64 * done, replies - done, _DONTWAIT))
            if sent <= 0:
                # One that cannot be sent (no route, buffer full) is lost, as datagrams may be.
                socket[UNSENT] += 1
                sent = int64(1)
            done += sent
        total += got
        if got < BATCH or socket[DEFERRED]:
            break
    return total
