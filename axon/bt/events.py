"""What a `PeerConnection` tells its owner: frozen records, in the order of the wire.

Requests for our blocks make no event: they wait in the connection's queue
(`PeerConnection.next_requests`), because a seed sees tens of thousands a second.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from axon.bt.extended import ExtendedHandshake
from axon.bt.handshake import Handshake
from axon.bt.messages import Hashes, HashRequest, Request

__all__ = [
    "AllowedFastReceived",
    "Block",
    "Choked",
    "DhtPort",
    "Event",
    "ExtendedMessage",
    "ExtensionsReceived",
    "HandshakeReceived",
    "HashesReceived",
    "HashesRejected",
    "HashesRequested",
    "Inactive",
    "PeerHas",
    "PeerHasSet",
    "PeerInterested",
    "PeerLost",
    "PeerNotInterested",
    "Rejected",
    "Snubbed",
    "Suggested",
    "Unchoked",
    "UploadOnlyChanged",
]


@dataclass(frozen=True, slots=True)
class HandshakeReceived:
    """The peer speaks BitTorrent, of a torrent that we have. Now send have-set and extensions."""

    handshake: Handshake


@dataclass(frozen=True, slots=True)
class Choked:
    """The peer will serve no more; `lost` are requests that it silently forgets (without BEP 6)."""

    lost: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Unchoked:
    """The peer answers requests from now on."""


@dataclass(frozen=True, slots=True)
class PeerInterested:
    """The peer wants something of ours."""


@dataclass(frozen=True, slots=True)
class PeerNotInterested:
    """The peer wants nothing of ours."""


@dataclass(frozen=True, slots=True)
class PeerHas:
    """The peer gained a piece; it is in `peer_have` already."""

    index: int


@dataclass(frozen=True, slots=True)
class PeerLost:
    """The peer no longer has a piece (BEP 54)."""

    index: int


@dataclass(frozen=True, slots=True)
class PeerHasSet:
    """The peer told its whole have-set at once, first or again: look at `peer_have`."""


class Block(NamedTuple):
    """A block that we asked for. A tuple, not a dataclass: it is made for every 16 KiB.

    `data` looks into the read buffer and is valid only until the next
    `buffer_for_read` or `receive`: copy it at once.
    """

    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody needs
    begin: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Rejected:
    """The peer will not answer this request of ours (BEP 6)."""

    request: Request


@dataclass(frozen=True, slots=True)
class Suggested:
    """The peer would rather send this piece (BEP 6)."""

    index: int


@dataclass(frozen=True, slots=True)
class AllowedFastReceived:
    """Blocks of this piece may be requested while choked (BEP 6)."""

    index: int


@dataclass(frozen=True, slots=True)
class DhtPort:
    """The peer's DHT node listens there (BEP 5)."""

    port: int


@dataclass(frozen=True, slots=True)
class ExtensionsReceived:
    """The peer's extension handshake, its first or an update (BEP 10)."""

    handshake: ExtendedHandshake


@dataclass(frozen=True, slots=True)
class ExtendedMessage:
    """A message of an extension that we announced, by its name (BEP 10)."""

    name: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class UploadOnlyChanged:
    """The peer began or ceased to want nothing (BEP 21)."""

    upload_only: bool


@dataclass(frozen=True, slots=True)
class HashesRequested:
    """Answer with `hashes` or `hash_reject` (BEP 52)."""

    request: HashRequest


@dataclass(frozen=True, slots=True)
class HashesReceived:
    """The answer to a request of ours; not verified yet (BEP 52)."""

    hashes: Hashes


@dataclass(frozen=True, slots=True)
class HashesRejected:
    """The peer will not send these hashes (BEP 52)."""

    request: HashRequest


@dataclass(frozen=True, slots=True)
class Snubbed:
    """Requests wait and no block came for the request timeout; said once until one comes."""


@dataclass(frozen=True, slots=True)
class Inactive:
    """For a long while nothing but keep-alives: drop the peer if its place is needed."""


Event: TypeAlias = (
    HandshakeReceived
    | Choked
    | Unchoked
    | PeerInterested
    | PeerNotInterested
    | PeerHas
    | PeerLost
    | PeerHasSet
    | Block
    | Rejected
    | Suggested
    | AllowedFastReceived
    | DhtPort
    | ExtensionsReceived
    | ExtendedMessage
    | UploadOnlyChanged
    | HashesRequested
    | HashesReceived
    | HashesRejected
    | Snubbed
    | Inactive
)
