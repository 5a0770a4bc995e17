"""The compiled tracker as one object: store, policy and keys in the kernels' header, and buffers."""

import socket
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from axon.tracker import http_kernel, kernel, udp_kernel
from axon.tracker.faststore import FastSwarms
from axon.tracker.lists import Lists
from axon.tracker.logic import ERRORS, Count, Tracker

__all__ = ["Batch", "Engine"]

_ROUNDS: Final = 8  # batches before other tasks get a turn: about 2 ms
_NAME: Final = 28  # bytes of a sockaddr_in6
_HTTP_IN: Final = 64 * 1024  # bytes
_HTTP_ROOM: Final = 128 * 1024  # bytes of answers a call; the kernel wants as much again for scratch


class Batch:
    """Buffers of one socket, laid out for recvmmsg and sendmmsg (64-bit Linux)."""

    def __init__(self, sock: socket.socket) -> None:
        count = udp_kernel.BATCH
        self.inbox = np.zeros(count * udp_kernel.PACKET, np.uint8)
        self._outbox = np.zeros(count * udp_kernel.PACKET, np.uint8)
        self.names = np.zeros(count * _NAME, np.uint8)
        self._vectors = np.zeros((2, count, 2), np.uint64)  # iovec: address, length
        self._messages = np.zeros((2, count, 8), np.uint64)  # mmsghdr
        self.words: NDArray[np.int64] = np.zeros(udp_kernel.SOCKET_WORDS, np.int64)
        six = sock.family == socket.AF_INET6
        for way, buffer in enumerate((self.inbox, self._outbox)):
            for k in range(count):
                self._vectors[way, k] = (buffer.ctypes.data + k * udp_kernel.PACKET, udp_kernel.PACKET)
                vector = self._vectors.ctypes.data + 16 * (way * count + k)
                self._messages[way, k, :4] = (
                    self.names.ctypes.data + k * _NAME,
                    _NAME if six else 16,
                    vector,
                    1,
                )
        self.words[udp_kernel.FD] = sock.fileno()
        self.words[udp_kernel.RECEIVE] = self._messages.ctypes.data
        self.words[udp_kernel.SEND] = self._messages.ctypes.data + 64 * count
        self.words[udp_kernel.IN] = self.inbox.ctypes.data
        self.words[udp_kernel.OUT] = self._outbox.ctypes.data
        self.words[udp_kernel.FAMILY] = six

    def datagram(self, place: int) -> tuple[bytes, bytes]:
        """Return a datagram of the last batch and the address that it came from."""
        at = place * udp_kernel.PACKET
        size = int(self._messages[0, place, 7] & 0xFFFFFFFF)
        name = self.names[place * _NAME :]
        address = name[8:24] if self.words[udp_kernel.FAMILY] else name[4:8]
        return self.inbox[at : at + size].tobytes(), address.tobytes()


class Engine:
    """Keeps the header equal to a `Tracker`'s policy, keys and lists, and runs the kernels."""

    def __init__(self, tracker: Tracker, store: FastSwarms) -> None:
        self.tracker = tracker
        self._header = header = store.header
        self._tick = 0
        self._texts = np.zeros((len(ERRORS), 64), np.uint8)
        for row, text in zip(self._texts, ERRORS, strict=True):
            row[0] = len(text)
            row[1 : 1 + len(text)] = np.frombuffer(text.encode(), np.uint8)
        header[udp_kernel.TEXTS] = self._texts.ctypes.data
        policy = tracker.policy
        header[udp_kernel.INTERVAL] = policy.interval
        header[udp_kernel.JITTER] = policy.jitter
        header[udp_kernel.MIN_INTERVAL] = policy.min_interval
        header[udp_kernel.DEFAULT_WANT] = policy.default_want
        header[udp_kernel.MAX_WANT] = policy.max_want
        self._list = np.zeros(0, np.uint8)
        self._http_in = np.zeros(_HTTP_IN, np.uint8)
        self._http_out = np.zeros(2 * _HTTP_ROOM, np.uint8)
        self.http_in, self._http_view = self._http_in.data, self._http_out.data
        self._address = np.zeros(16, np.uint8)
        self._rows = np.zeros((len(http_kernel.ROWS), 64), np.uint8)
        for row, piece in zip(self._rows, http_kernel.ROWS, strict=True):
            row[0] = len(piece)
            row[1 : 1 + len(piece)] = np.frombuffer(piece, np.uint8)
        self._scratch = np.zeros(256, np.uint8)
        header[http_kernel.TEMPLATES] = self._rows.ctypes.data
        header[http_kernel.SCRATCH] = self._scratch.ctypes.data
        self._http_at = (self._http_in.ctypes.data, self._http_out.ctypes.data, self._address.ctypes.data)
        self._address_view = self._address.data
        self._write_keys()

    @staticmethod
    def counters(store: FastSwarms) -> NDArray[np.int64]:
        """Return the header's counters, to be shared with a `Tracker`."""
        return store.header[udp_kernel.COUNTS : udp_kernel.COUNTS + len(Count)]

    def batch(self, sock: socket.socket) -> Batch:
        """Make the buffers for one socket."""
        return Batch(sock)

    def advance(self, now: float) -> None:
        """Bring keys and tick up to date."""
        self._tick = self.tracker.tick(now)
        if self.tracker.ids.advance(now):
            self._write_keys()

    def serve(self, batch: Batch) -> Iterator[tuple[bytes, bytes]]:
        """Answer what waits at a socket; yield the announces that may be signed."""
        udp_kernel.serve(self._header, batch.words, self._tick, _ROUNDS)
        for place in batch.words[8 : 8 + batch.words[udp_kernel.DEFERRED]].tolist():
            yield batch.datagram(place)

    def datagram(self, data: bytes, address: bytes) -> bytes | None:
        """Answer one datagram, as `Tracker.datagram` does; for tests."""
        self.http_in[: len(data)] = data
        self._address[: len(address)] = np.frombuffer(address, np.uint8)
        size = udp_kernel.packet(
            self._header,
            self._http_in.ctypes.data,
            len(data),
            self._address.ctypes.data,
            int(len(address) == 16),
            self._tick,
            self._http_out.ctypes.data,
        )
        return self._http_view[:size].tobytes() if size else None

    def http(self, size: int, address: bytes) -> tuple[int, memoryview, bool]:
        """Answer the plain announces at the start of `http_in[:size]`.

        Returns
        -------
        (int, memoryview, bool)
            Bytes consumed, the answers (valid until the next call), whether to close behind them.
        """
        self._address_view[: len(address)] = address
        data, out, at = self._http_at
        header = self._header
        written = http_kernel.requests(
            header, data, size, at, int(len(address) == 16), self._tick, out, _HTTP_ROOM
        )
        return int(header[http_kernel.CONSUMED]), self._http_view[:written], bool(header[http_kernel.CLOSE])

    def warm(self) -> None:
        """Compile or load every kernel now, and not at the first request."""
        udp_kernel.serve(self._header, np.zeros(udp_kernel.SOCKET_WORDS, np.int64), self._tick, 0)
        self.http(0, bytes(4))
        kernel.sweep(self._header, self._tick, 0)

    def set_lists(self, lists: Lists) -> None:
        """Serve by these lists from now on."""
        self.tracker.lists = lists
        allowed, header = lists.allowed or frozenset(), self._header
        header[udp_kernel.LIST] = 0
        if lists.allowed is None and not lists.denied:
            return
        bits = max(4, (2 * (len(allowed) + len(lists.denied))).bit_length())
        self._list = np.zeros(24 << bits, np.uint8)
        header[udp_kernel.LIST_BITS] = bits
        header[udp_kernel.LIST_ALLOWS] = lists.allowed is not None
        header[udp_kernel.LIST] = self._list.ctypes.data
        for hashes, flag in ((allowed, udp_kernel.ALLOW), (lists.denied, udp_kernel.DENY)):
            packed = np.frombuffer(b"".join(hashes), np.uint8)
            udp_kernel.fill_list(header, packed.ctypes.data, len(hashes), flag)

    def _write_keys(self) -> None:
        keys = self.tracker.ids.current + self.tracker.ids.previous
        self._header[udp_kernel.KEYS : udp_kernel.KEYS + 4] = np.frombuffer(keys, np.int64)
