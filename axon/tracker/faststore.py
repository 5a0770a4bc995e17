"""`FastSwarms`: the compiled store behind the same interface as `Swarms`.

The header array is shared with the packet kernels, which work on the same swarms.
"""

import ctypes
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from axon.bt.announce import Event, SwarmCounts
from axon.tracker import kernel
from axon.tracker import kernel_torrents as words
from axon.tracker.swarms import FULL, PEER_SIZE, Answer, Totals

__all__ = ["FastSwarms"]

_MAX_WANT = 4096  # peers; the size of the answer's buffer


class FastSwarms:
    """A store in memory of its own; call `close` to give it back.

    Parameters
    ----------
    seed : int
        Of the samples, non-zero, 64 bits; with the same one, `Swarms` answers alike.
    budget : int
        Bytes; see `Swarms`.
    secret : bytes
        16 bytes for the hash tables.
    """

    def __init__(self, seed: int, budget: int = 1 << 40, *, secret: bytes) -> None:
        self.header: NDArray[np.int64] = np.zeros(words.HEADER_WORDS, np.int64)
        self.header[words.RANDOM] = np.uint64(seed).astype(np.int64)
        self.header[words.SECRET : words.SECRET + 2] = np.frombuffer(secret, np.int64)
        self.header[words.BUDGET] = budget
        self._in = np.zeros(64, np.uint8)  # info-hash at 0, key at 32
        self._out = np.zeros(_MAX_WANT * PEER_SIZE[1], np.uint8)
        self._in_view, self._out_view = self._in.data, self._out.data
        self._in_at, self._out_at = self._in.ctypes.data, self._out.ctypes.data

    def close(self) -> None:
        """Free everything; the store is empty afterwards."""
        kernel.destroy(self.header)

    def announce(
        self, info_hash: bytes, family: int, key: bytes, *, left: int, event: int, want: int, tick: int
    ) -> Answer:
        """See `Swarms.announce`."""
        self._in_view[:20] = info_hash
        self._in_view[32 : 32 + len(key)] = key
        size = kernel.announce(
            self.header,
            self._in_at,
            family,
            self._in_at + 32,
            not left,
            event,
            min(want, _MAX_WANT),
            tick,
            self._out_at,
        )
        if size < 0:
            return FULL
        seeders, leechers = self.header[words.OUT_S : words.OUT_L + 1].tolist()
        return Answer(seeders, leechers, self._out_view[:size].tobytes())

    def sample(self, info_hash: bytes, family: int, *, leechers_only: bool, want: int) -> bytes:
        """See `Swarms.sample`."""
        record = self._find(info_hash)
        if not record:
            return b""
        size = kernel.draw(self.header, record, family, -1, leechers_only, min(want, _MAX_WANT), self._out_at)
        return self._out_view[:size].tobytes()

    def scrape(self, info_hash: bytes) -> SwarmCounts | None:
        """See `Swarms.scrape`."""
        record = self._find(info_hash)
        if not record:
            return None
        number = (record - int(self.header[words.RECORDS])) // words.RECORD_SIZE
        rows = [self._view(number, family) for family in (0, 1)]
        seeds, peers, partial = (sum(row[k] for row in rows) for k in (5, 4, 6))
        return SwarmCounts(seeds, rows[0][1], peers - seeds, peers - seeds - partial)

    def sweep(self, tick: int, budget: int) -> int:
        """See `Swarms.sweep`."""
        return int(kernel.sweep(self.header, tick, budget))

    def remove(self, info_hash: bytes) -> None:
        """See `Swarms.remove`."""
        record = self._find(info_hash)
        if record:
            kernel.remove(self.header, record)

    def totals(self) -> Totals:
        """See `Swarms.totals`."""
        h = self.header
        return Totals(
            int(h[words.TORRENTS]),
            int(h[words.PEERS]),
            int(h[words.PEERS + 1]),
            int(h[words.SEEDS]),
            int(h[words.COST]),
        )

    def dump(self) -> Iterator[tuple[bytes, int, int, bytes, bytes, int]]:
        """See `Swarms.dump`; the store must not change meanwhile."""
        for number in range(int(self.header[words.TORRENTS])):
            for family, size in enumerate(PEER_SIZE):
                record, completed, keys, stamps, peers, seeds, _ = self._view(number, family)
                if peers:
                    yield (
                        ctypes.string_at(record, 20),
                        completed,
                        family,
                        ctypes.string_at(keys, peers * size),
                        ctypes.string_at(stamps, peers),
                        seeds,
                    )

    def load(
        self, info_hash: bytes, completed: int, family: int, keys: bytes, stamps: bytes, seeds: int
    ) -> None:
        """See `Swarms.load`."""
        size = PEER_SIZE[family]
        for at, stamp in enumerate(stamps):
            event = Event.PAUSED if stamp & 0x80 else Event.NONE
            key = keys[size * at : size * (at + 1)]
            self.announce(
                info_hash, family, key, left=int(at >= seeds), event=event, want=0, tick=stamp & 0x7F
            )
        record = self._find(info_hash)
        if record:
            ctypes.c_uint32.from_address(record + words.COMPLETED).value = completed

    def _find(self, info_hash: bytes) -> int:
        self._in_view[:20] = info_hash
        return int(kernel.find(self.header, self._in_at))

    def _view(self, number: int, family: int) -> list[int]:
        row = np.zeros(7, np.int64)
        kernel.view(self.header, number, family, row)
        return [int(x) for x in row]
