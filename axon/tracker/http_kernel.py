"""HTTP announces compiled: whole, plain `GET /announce` requests in a buffer to their answers.

`requests` handles as many as stand at the buffer's start and stops at the first that
is anything else (a scrape, a signature, an error, half a request), which the Python path then
answers. What it does answer is byte for byte what `App.fast` and `requests.response` would.
"""

from typing import Any, Final

from numba import int64, uint64

from axon.tracker import kernel, kernel_torrents
from axon.tracker.jit import jit
from axon.tracker.logic import Count
from axon.tracker.memory import memcpy, peek8, peek32, poke8, poke16
from axon.tracker.udp_kernel import (
    COUNTS,
    DEFAULT_WANT,
    INTERVAL,
    JITTER,
    MAX_WANT,
    MIN_INTERVAL,
    big,
    permits,
)

__all__ = ["requests"]

# Words of the header, after `udp_kernel`'s.
TEMPLATES: Final = 33  # address of `PIECES`, 64 bytes each: the length, then the text
CONSUMED: Final = 34  # results
CLOSE: Final = 35
SCRATCH: Final = 36  # address of 256 bytes: info-hash, peer id, key

PIECES: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ",
    b"\r\nConnection: close\r\n\r\n",
    b"\r\n\r\n",
    b"d8:completei",
    b"e11:external ip",
    b"10:incompletei",
    b"e8:intervali",
    b"e12:min intervali",
    b"e5:peers",
    b"6:peers6",
)
_C_ANNOUNCE = int(Count.HTTP_ANNOUNCES)
_SPACE, _AMP, _EQUALS, _PERCENT, _PLUS, _MINUS, _CR, _LF, _COLON = 32, 38, 61, 37, 43, 45, 13, 10, 58


@jit
def _hex(digit: uint64) -> int64:
    c = int64(digit)
    if 48 <= c <= 57:
        return c - 48
    if 65 <= c <= 70:
        return c - 55
    if 97 <= c <= 102:
        return c - 87
    return -1


@jit
def _unquote20(at: int64, end: int64, out: int64) -> bool:
    """Decode exactly 20 percent-encoded bytes."""
    for k in range(20):
        if at >= end:
            return False
        c = int64(peek8(at))
        if c == _PLUS:
            return False
        if c == _PERCENT:
            if at + 3 > end:
                return False
            high, low = _hex(peek8(at + 1)), _hex(peek8(at + 2))
            if high < 0 or low < 0:
                return False
            c = high * 16 + low
            at += 2
        poke8(out + k, uint64(c))
        at += 1
    return bool(at == end)


@jit
def _number(at: int64, end: int64) -> int64:
    """Read up to 18 digits; -1 if it is anything else."""
    if at == end or end - at > 18:
        return -1
    value = int64(0)
    while at < end:
        digit = int64(peek8(at)) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
        at += 1
    return value


@jit
def _put(header: Any, out: int64, piece: int64) -> int64:
    text = header[TEMPLATES] + 64 * piece
    size = int64(peek8(text))
    memcpy(out, text + 1, size)
    return out + size


@jit
def _put_number(out: int64, value: int64) -> int64:
    digits, rest = int64(1), value
    while rest >= 10:
        rest //= 10
        digits += 1
    for k in range(digits - 1, -1, -1):
        poke8(out + k, uint64(48 + value % 10))
        value //= 10
    return out + digits


@jit
def _header_end(at: int64, end: int64) -> int64:
    """Return the address behind the empty line, or 0 if it is not there."""
    while at + 3 < end:
        if peek8(at + 3) > uint64(13):
            at += 4  # none of the next four positions can begin it
        elif peek32(at) == uint64(0x0A0D0A0D):
            return at + 4
        else:
            at += 1
    return 0


@jit
def _starts(at: int64, end: int64, text: int64) -> bool:
    """Tell whether the bytes at `at` are exactly the text of a row."""
    size = int64(peek8(text))
    if at + size > end:
        return False
    differ = uint64(0)
    for k in range(size):
        differ |= peek8(at + k) ^ peek8(text + 1 + k)
    return bool(differ == uint64(0))


@jit
def _lower_is(at: int64, end: int64, text: int64) -> bool:
    """Tell whether the bytes at `at` are, in any case, the text of a row."""
    size = int64(peek8(text))
    if at + size > end:
        return False
    for k in range(size):
        c = int64(peek8(at + k))
        if 65 <= c <= 90:
            c += 32
        if c != int64(peek8(text + 1 + k)):
            return False
    return True


# Header names that matter, in rows behind the pieces.
NAMES: Final = (
    b"connection:",
    b"content-length:",
    b"transfer-encoding:",
    b"expect:",
    b"close",
    b"keep-alive",
)


@jit
def _headers(header: Any, at: int64, end: int64) -> int64:
    """Look through the header lines: 0 keep alive, 1 close, -1 leave it to Python."""
    names = header[TEMPLATES] + 64 * 10
    close = int64(0)
    seen = int64(0)
    while at < end - 2:
        line = at
        colon = int64(0)
        while peek8(at) != uint64(_CR):
            if peek8(at) == uint64(_COLON) and colon == 0:
                colon = at
            at += 1
        if peek8(at + 1) != uint64(_LF) or colon <= line:
            return -1
        if peek8(line) <= uint64(_SPACE) or peek8(colon - 1) <= uint64(_SPACE):
            return -1
        if _lower_is(line, at, names):
            seen += 1
            value = line + 11
            while value < at and peek8(value) == uint64(_SPACE):
                value += 1
            if _lower_is(value, at, names + 64 * 4) and at - value == 5:
                close = 1
            elif not (_lower_is(value, at, names + 64 * 5) and at - value == 10):
                return -1
        elif (
            _lower_is(line, at, names + 64)
            or _lower_is(line, at, names + 128)
            or _lower_is(line, at, names + 192)
        ):
            return -1
        at += 2
    return -1 if seen > 1 else close


@jit
def _is(at: int64, size: int64, want: int64, low: uint64, high: uint64) -> bool:
    """Compare a name with up to 16 bytes given as two big-endian numbers."""
    if size != want:
        return False
    first = min(size, 8)
    if big(at, first) != low:
        return False
    return bool(size <= 8 or big(at + 8, size - 8) == high)


@jit
def _one(header: Any, at: int64, end: int64, address: int64, family: int64, tick: int64, out: int64) -> int64:
    """Answer the query from `at` to `end`; return the bytes of the body at `out + 65536`, -1 to pass."""
    scratch = header[SCRATCH]
    seen = int64(0)
    port, want, event = int64(0), int64(header[DEFAULT_WANT]), int64(0)
    seed = False
    while at < end:
        name = at
        while at < end and peek8(at) != uint64(_EQUALS) and peek8(at) != uint64(_AMP):
            at += 1
        size = at - name
        value = at
        if at < end and peek8(at) == uint64(_EQUALS):
            at += 1
            value = at
            while at < end and peek8(at) != uint64(_AMP):
                at += 1
        bit = int64(0)
        if _is(name, size, 9, uint64(0x696E666F5F686173), uint64(0x68)):  # info_hash
            bit = 1
            if not _unquote20(value, at, scratch):
                return -1
        elif _is(name, size, 7, uint64(0x706565725F6964), uint64(0)):  # peer_id
            bit = 2
            if not _unquote20(value, at, scratch + 32):
                return -1
        elif _is(name, size, 4, uint64(0x706F7274), uint64(0)):  # port
            bit = 4
            port = _number(value, at)
            if port < 1 or port > 65535:
                return -1
        elif _is(name, size, 4, uint64(0x6C656674), uint64(0)):  # left
            bit = 8
            left = _number(value, at)
            if left < 0:
                return -1
            seed = left == 0
        elif _is(name, size, 7, uint64(0x6E756D77616E74), uint64(0)):  # numwant
            bit = 16
            if at > value and peek8(value) != uint64(_MINUS):
                want = _number(value, at)
                if want < 0:
                    return -1
        elif _is(name, size, 5, uint64(0x6576656E74), uint64(0)):  # event
            bit = 32
            length = at - value
            if _is(value, length, 9, uint64(0x636F6D706C657465), uint64(0x64)):
                event = 1
            elif _is(value, length, 7, uint64(0x73746172746564), uint64(0)):
                event = 2
            elif _is(value, length, 7, uint64(0x73746F70706564), uint64(0)):
                event = 3
            elif _is(value, length, 6, uint64(0x706175736564), uint64(0)):
                event = 4
        elif _is(name, size, 8, uint64(0x75706C6F61646564), uint64(0)):  # uploaded
            bit = 64
            if _number(value, at) < 0:
                return -1
        elif _is(name, size, 10, uint64(0x646F776E6C6F6164), uint64(0x6564)):  # downloaded
            bit = 128
            if _number(value, at) < 0:
                return -1
        elif _is(name, size, 7, uint64(0x636F6D70616374), uint64(0)):  # compact
            bit = 256
            if at - value != 1 or peek8(value) != uint64(49):
                return -1
        elif _is(name, size, 8, uint64(0x6E6F64655F6B6579), uint64(0)) or _is(
            name, size, 9, uint64(0x7369676E61747572), uint64(0x65)
        ):  # node_key
            return -1
        if bit & seen:
            return -1
        seen |= bit
        at += 1
    if seen & 7 != 7 or not permits(header, scratch):
        return -1
    ip_size = int64(16) if family else int64(4)
    memcpy(scratch + 64, address, ip_size)
    poke16(scratch + 64 + ip_size, uint64(((port & 0xFF) << 8) | (port >> 8)))
    want = min(want, header[MAX_WANT])
    # Peers first, far behind; the text before them is as long as its numbers are.
    peers = out + 1024
    written = kernel.announce(header, scratch, family, scratch + 64, seed, event, want, tick, peers)
    if written < 0:
        return -1
    seeders, leechers = header[kernel_torrents.OUT_S], header[kernel_torrents.OUT_L]
    others, other = int64(0), peers + written
    rest = want - written // (18 if family else 6)
    if rest > 0 and event != 3:
        record = kernel.find(header, scratch)
        others = kernel.draw(header, record, 1 - family, int64(-1), seed or event == 4, rest, other)
    four, four_size = (other, others) if family else (peers, written)
    six, six_size = (peers, written) if family else (other, others)
    body = out + 65536
    jitter = int64(big(scratch + 48, 4)) % (header[JITTER] + 1)
    to = _put_number(_put(header, body, 3), seeders)
    to = _put_number(_put(header, to, 4), ip_size)
    poke8(to, uint64(_COLON))
    memcpy(to + 1, address, ip_size)
    to = _put_number(_put(header, to + 1 + ip_size, 5), leechers)
    to = _put_number(_put(header, to, 6), header[INTERVAL] + jitter)
    to = _put_number(_put(header, to, 7), header[MIN_INTERVAL])
    to = _put_number(_put(header, to, 8), four_size)
    poke8(to, uint64(_COLON))
    memcpy(to + 1, four, four_size)
    to += 1 + four_size
    if six_size:
        to = _put_number(_put(header, to, 9), six_size)
        poke8(to, uint64(_COLON))
        memcpy(to + 1, six, six_size)
        to += 1 + six_size
    poke8(to, uint64(101))
    header[COUNTS + _C_ANNOUNCE] += 1
    return to + 1 - body


@jit
def requests(
    header: Any,
    data: int64,
    length: int64,
    address: int64,
    family: int64,
    tick: int64,
    out: int64,
    room: int64,
) -> int64:
    """Answer the plain announces at the start of `data`; return the bytes written to `out`.

    `header[CONSUMED]` says how much of `data` that was, `header[CLOSE]` whether the connection
    ends after it. Behind the first `room` bytes of `out` there are 128 KiB more, for scratch.
    """
    at, end = data, data + length
    written = int64(0)
    header[CONSUMED] = header[CLOSE] = 0
    prefix = header[TEMPLATES] + 64 * 16
    while room - written > 8192:
        if not _starts(at, end, prefix):
            break
        stop = _header_end(at, end)
        if stop == 0:
            break
        query = at + 14
        space = query
        while peek8(space) > uint64(_SPACE):
            space += 1
        tail = header[TEMPLATES] + 64 * 17
        if not _starts(space, stop, tail):
            break
        close = _headers(header, space + int64(peek8(tail)), stop)
        if close < 0:
            break
        body = _one(header, query, space, address, family, tick, out + room)
        if body < 0:
            break
        to = _put_number(_put(header, out + written, 0), body)
        to = _put(header, to, 1 if close else 2)
        memcpy(to, out + room + 65536, body)
        written = to + body - out
        at = stop
        header[CONSUMED] = at - data
        if close:
            header[CLOSE] = 1
            break
    return written


ROWS: Final = (*PIECES, *NAMES, b"GET /announce?", b" HTTP/1.1\r\n")
