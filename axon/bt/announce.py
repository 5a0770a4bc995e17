"""What a client asks of a tracker and what it is told, free of any wire format.

`tracker_http.py`, `tracker_http_server.py` and `tracker_udp.py` turn these records
into bytes and back, for both ends. An announce may carry a node key and a signature, so that the
transfer totals it reports can be attributed; the signature covers::

    b"axon/1/announce" | info-hash 20 | peer id 20 | port 2
    | uploaded 8 | downloaded 8 | left 8 | event 1 | signed_at 8
"""

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from axon.ids import InfoHash, NodeKey, PeerId
from axon.keys import NodeSecret, verify

__all__ = [
    "DEFAULT_INTERVAL",
    "MAX_INTERVAL",
    "UNKNOWN_LEFT",
    "AnnounceRequest",
    "AnnounceResponse",
    "Event",
    "ScrapeRequest",
    "ScrapeResponse",
    "SwarmCounts",
    "TrackerPeer",
    "clamp_interval",
]

DEFAULT_INTERVAL = 1800  # seconds; taken when a tracker's own value makes no sense
MAX_INTERVAL = 24 * 3600  # seconds; a tracker that asks for more is asked once a day
UNKNOWN_LEFT = (1 << 63) - 1  # bytes; a magnet link has no size yet, but is no seed either
_DOMAIN = b"axon/1/announce"
_SIGNED = struct.Struct(">20s20sHQQQBQ")


class Event(enum.IntEnum):
    """Why an announce is sent; the values are BEP 15's, `PAUSED` (BEP 21) is ours on UDP."""

    NONE = 0
    COMPLETED = 1
    STARTED = 2
    STOPPED = 3
    PAUSED = 4  # a partial seed: has all that it wants


class TrackerPeer(NamedTuple):
    """A peer as trackers name it."""

    host: str  # an IP address; trackers may send names, which are dropped
    port: int
    peer_id: PeerId | None = None


@dataclass(frozen=True, slots=True)
class AnnounceRequest:
    """One announce."""

    info_hash: InfoHash
    peer_id: PeerId
    port: int
    uploaded: int = 0  # bytes since `STARTED`
    downloaded: int = 0  # bytes since `STARTED`
    left: int = UNKNOWN_LEFT  # bytes
    event: Event = Event.NONE
    numwant: int = -1  # peers; -1 leaves it to the tracker
    key: int = 0  # 32 bits: proves who we are when our address changes
    compact: bool = True  # BEP 23
    no_peer_id: bool = True
    ipv4: tuple[str, int] | None = None  # our other address, HTTP only (BEP 7)
    ipv6: tuple[str, int] | None = None
    tracker_id: bytes = b""
    takes_encrypted: bool = False  # connections (BEP 8), HTTP only
    takes_plain: bool = True
    node_key: NodeKey | None = None
    signed_at: int = 0  # seconds since 1970
    signature: bytes | None = None  # 64 bytes

    def signed_message(self) -> bytes:
        """Return the bytes under `signature`."""
        return _DOMAIN + _SIGNED.pack(
            self.info_hash,
            self.peer_id,
            self.port,
            self.uploaded,
            self.downloaded,
            self.left,
            self.event,
            self.signed_at,
        )

    def signed(self, secret: NodeSecret, at: int) -> Self:
        """Return this request signed by a node key at a time in seconds since 1970."""
        unsigned = replace(self, node_key=secret.public, signed_at=at)
        return replace(unsigned, signature=secret.sign(unsigned.signed_message()))

    def verifies(self) -> bool:
        """Tell whether it is signed, and by its node key."""
        if self.node_key is None or self.signature is None:
            return False
        return verify(self.node_key, self.signature, self.signed_message())


@dataclass(frozen=True, slots=True)
class AnnounceResponse:
    """One answer; when `failure` is set, nothing else but `retry_in` counts."""

    interval: int = DEFAULT_INTERVAL  # seconds until the next announce
    min_interval: int | None = None  # seconds; sooner is refused
    seeders: int | None = None
    leechers: int | None = None
    downloads: int | None = None  # completed so far
    peers: tuple[TrackerPeer, ...] = ()  # IPv4
    peers6: tuple[TrackerPeer, ...] = ()
    warning: str | None = None
    failure: str | None = None
    retry_in: int | None = None  # minutes; 0: never (BEP 31)
    tracker_id: bytes = b""
    external_ip: str | None = None  # how the tracker sees us (BEP 24)


class SwarmCounts(NamedTuple):
    """What a scrape tells of one torrent (BEP 48)."""

    seeders: int
    completed: int  # downloads finished, ever
    leechers: int
    downloaders: int | None = None  # leechers that are no partial seeds (BEP 21)


@dataclass(frozen=True, slots=True)
class ScrapeRequest:
    """Ask for the counts of some torrents; none asks for all (HTTP only, often refused)."""

    info_hashes: tuple[InfoHash, ...]


@dataclass(frozen=True, slots=True)
class ScrapeResponse:
    """Counts by info-hash; torrents that the tracker does not know are missing or zero."""

    files: Mapping[InfoHash, SwarmCounts] = field(default_factory=dict)
    failure: str | None = None
    min_request_interval: int | None = None  # seconds


def clamp_interval(seconds: object) -> int:
    """Return a usable interval: nonsense becomes the default, days become one day."""
    if not isinstance(seconds, int) or seconds <= 0:
        return DEFAULT_INTERVAL
    return min(seconds, MAX_INTERVAL)
