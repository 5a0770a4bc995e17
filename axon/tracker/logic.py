"""What the tracker answers: announces, scrapes and datagrams to bytes (pure).

The clock comes in as `now`; addresses are packed, 4 or 16 bytes. `udp_kernel.py`
and `http_kernel.py` answer the common requests themselves, byte for byte as this does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from typing import Final

from axon.bt import tracker_udp as udp
from axon.bt.announce import (
    AnnounceRequest,
    AnnounceResponse,
    Event,
    ScrapeResponse,
    SwarmCounts,
    TrackerPeer,
)
from axon.bt.tracker_http_server import encode_announce_response, encode_scrape_response
from axon.errors import RemoteProtocolError
from axon.ids import InfoHash
from axon.tracker.connection_id import ConnectionIds
from axon.tracker.lists import Lists
from axon.tracker.swarms import FULL, PEER_SIZE, TTL_TICKS, Store

__all__ = ["ERRORS", "Count", "Policy", "Refusal", "Tracker"]


class Refusal(IntEnum):
    """Why a request is refused; the row of its text in `ERRORS`."""

    CONNECTION_ID = 0
    SHORT = 1
    PORT = 2
    NOT_ALLOWED = 3
    FULL = 4
    SCRAPE = 5
    ACTION = 6


ERRORS: Final = (
    "bad connection id",
    "announce: too short, want 98 bytes",
    "announce: port 0, want 1..65535",
    "torrent not allowed on this tracker",
    "tracker is full, try again in an hour",
    "scrape: want 1 to 74 info-hashes",
    "unknown action, want 0..2",
)
_LEAST_TTL: Final = 900  # seconds; libtorrent announces every five minutes at most, whatever it is told
_RETRY_FULL: Final = 60  # minutes (BEP 31)


class Count(IntEnum):
    """Counters, for /stats and /metrics."""

    UDP_CONNECTS = 0
    UDP_ANNOUNCES = 1
    UDP_SCRAPES = 2
    UDP_ERRORS = 3
    UDP_DROPPED = 4
    HTTP_ANNOUNCES = 5
    HTTP_SCRAPES = 6
    HTTP_ERRORS = 7


@dataclass(frozen=True, slots=True)
class Policy:
    """What clients are told."""

    interval: int = 1800  # seconds
    jitter: int = 180  # seconds; up to so much is added, so that clients do not come all at once
    min_interval: int = 900  # seconds
    default_want: int = 50  # peers
    max_want: int = 200  # peers; UDP over IPv6 gives at most 72, which fit an unfragmented packet

    @property
    def tick(self) -> float:
        """Seconds a tick: peers are dropped after twice the longest interval."""
        return max(_LEAST_TTL, 2 * (self.interval + self.jitter)) / TTL_TICKS


MAX_WANT_UDP6: Final = 72


class Tracker:
    """Policy over a store.

    Parameters
    ----------
    store : Store
    policy : Policy
    ids : ConnectionIds
    counters : mutable sequence of int
        One for each `Count`; the kernels count into the same array.
    """

    def __init__(self, store: Store, policy: Policy, ids: ConnectionIds, counters: "Counters") -> None:
        self.store = store
        self.policy = policy
        self.ids = ids
        self.lists = Lists()
        self.counters = counters

    def tick(self, now: float) -> int:
        """Return the tick of a time in seconds."""
        return int(now / self.policy.tick)

    # UDP.

    def datagram(self, data: bytes, address: bytes, now: float) -> bytes | None:
        """Answer one datagram, or not."""
        transaction = int.from_bytes(data[12:16], "big")
        action = int.from_bytes(data[8:12], "big")
        if len(data) < 16 or (action == 0 and int.from_bytes(data[:8], "big") != udp.PROTOCOL_ID):
            self.counters[Count.UDP_DROPPED] += 1
            return None
        if action == udp.Action.CONNECT:
            self.counters[Count.UDP_CONNECTS] += 1
            return udp.encode_connect_reply(transaction, self.ids.make(address))
        if not self.ids.good(address, int.from_bytes(data[:8], "big")):
            reply = udp.encode_error(transaction, ERRORS[Refusal.CONNECTION_ID])
            # Never more than was sent: who has no id may be somebody else's address.
            self.counters[Count.UDP_ERRORS if len(reply) <= len(data) else Count.UDP_DROPPED] += 1
            return reply if len(reply) <= len(data) else None
        answer = self._udp_answer(data, address, transaction, action, self.tick(now))
        if isinstance(answer, Refusal):
            self.counters[Count.UDP_ERRORS] += 1
            return udp.encode_error(transaction, ERRORS[answer])
        self.counters[Count.UDP_ANNOUNCES if action == 1 else Count.UDP_SCRAPES] += 1
        return answer

    def _udp_answer(
        self, data: bytes, address: bytes, transaction: int, action: int, tick: int
    ) -> bytes | Refusal:
        if action == udp.Action.SCRAPE:
            try:
                packet = udp.decode_request(data)
            except RemoteProtocolError:
                return Refusal.SCRAPE
            assert isinstance(packet, udp.ScrapePacket)
            none = SwarmCounts(0, 0, 0)
            rows = [self.store.scrape(h) or none for h in packet.request.info_hashes]
            return udp.encode_scrape_reply(transaction, rows)
        if action != udp.Action.ANNOUNCE:
            return Refusal.ACTION
        if len(data) < 98:
            return Refusal.SHORT
        if data[96:98] == b"\0\0":
            return Refusal.PORT
        packet = udp.decode_request(data)
        assert isinstance(packet, udp.AnnouncePacket)
        request = packet.request
        if not self.lists.permits(request.info_hash):
            return Refusal.NOT_ALLOWED
        family = int(len(address) == 16)
        answer = self.store.announce(
            request.info_hash,
            family,
            address + data[96:98],
            left=request.left,
            event=request.event,
            want=self._want(request.numwant, MAX_WANT_UDP6 if family else self.policy.max_want),
            tick=tick,
        )
        if answer is FULL:
            return Refusal.FULL
        interval = self.policy.interval + transaction % (self.policy.jitter + 1)
        return udp.encode_announce_reply(transaction, interval, answer.leechers, answer.seeders, answer.peers)

    def _want(self, asked: int, limit: int) -> int:
        return min(self.policy.default_want if asked < 0 else asked, limit, self.policy.max_want)

    # HTTP.

    def announce(
        self, request: AnnounceRequest, address: bytes, now: float, warning: str | None = None
    ) -> bytes:
        """Answer one HTTP announce with a bencoded body; addresses that the query claims do not count."""
        if not self.lists.permits(request.info_hash):
            self.counters[Count.HTTP_ERRORS] += 1
            return self.failure(ERRORS[Refusal.NOT_ALLOWED], 0)
        family = int(len(address) == 16)
        jitter = int.from_bytes(request.peer_id[16:], "big")  # random, and each client's own
        want = self._want(request.numwant, self.policy.max_want)
        answer = self.store.announce(
            request.info_hash,
            family,
            address + request.port.to_bytes(2, "big"),
            left=request.left,
            event=request.event,
            want=want,
            tick=self.tick(now),
        )
        if answer is FULL:
            self.counters[Count.HTTP_ERRORS] += 1
            return self.failure(ERRORS[Refusal.FULL], _RETRY_FULL)
        self.counters[Count.HTTP_ANNOUNCES] += 1
        rest = want - len(answer.peers) // PEER_SIZE[family]
        other = b""
        if rest > 0 and request.event != Event.STOPPED:
            leechers_only = not request.left or request.event == Event.PAUSED
            other = self.store.sample(request.info_hash, 1 - family, leechers_only=leechers_only, want=rest)
        four, six = (other, answer.peers) if family else (answer.peers, other)
        if not request.compact:
            return self._long_form(answer.seeders, answer.leechers, four, six, jitter, warning)
        head = (
            b"d8:completei%de11:external ip%d:%b10:incompletei%de8:intervali%de12:min intervali%de5:peers%d:"
            % (
                answer.seeders,
                len(address),
                address,
                answer.leechers,
                self.policy.interval + jitter % (self.policy.jitter + 1),
                self.policy.min_interval,
                len(four),
            )
        )
        tail = b"6:peers6%d:%b" % (len(six), six) if six else b""
        if warning is not None:
            text = warning.encode()
            tail += b"15:warning message%d:%b" % (len(text), text)
        return head + four + tail + b"e"

    def _long_form(
        self, seeders: int, leechers: int, four: bytes, six: bytes, jitter: int, warning: str | None
    ) -> bytes:
        response = AnnounceResponse(
            self.policy.interval + jitter % (self.policy.jitter + 1),
            self.policy.min_interval,
            seeders,
            leechers,
            peers=tuple(_unpack(four, 6)),
            peers6=tuple(_unpack(six, 18)),
            warning=warning,
        )
        return encode_announce_response(response, compact=False)

    def scrape(self, info_hashes: Sequence[InfoHash]) -> bytes:
        """Answer an HTTP scrape; a torrent that nobody announced has zeros."""
        self.counters[Count.HTTP_SCRAPES] += 1
        none = SwarmCounts(0, 0, 0, 0)
        return encode_scrape_response(
            ScrapeResponse(
                {h: self.store.scrape(h) or none for h in info_hashes},
                min_request_interval=self.policy.min_interval,
            )
        )

    @staticmethod
    def failure(reason: str, retry_in: int | None = None) -> bytes:
        """Return a bencoded failure; `retry_in` in minutes, 0 for never (BEP 31)."""
        return encode_announce_response(AnnounceResponse(failure=reason, retry_in=retry_in))


class Counters(list[int]):
    """Plain counters, when there is no kernel to share an array with."""

    def __init__(self) -> None:
        super().__init__([0] * len(Count))


def _unpack(packed: bytes, size: int) -> list[TrackerPeer]:
    rows = (packed[k : k + size] for k in range(0, len(packed), size))
    return [TrackerPeer(str(ip_address(row[:-2])), int.from_bytes(row[-2:], "big")) for row in rows]
