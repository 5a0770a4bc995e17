"""What is known of one peer connection: both sides' flags, queues and agreements.

The base of `PeerConnection`; `reactions.py` changes it by what the peer says,
`connection.py` by what we say.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence

from axon.bt import events as ev
from axon.bt import messages as msg
from axon.bt.bitfield import Bitfield
from axon.bt.extended import DEFAULT_REQQ
from axon.bt.framing import ReadBuffer
from axon.bt.handshake import Handshake, Reserved
from axon.bt.peer_pieces import PeerPieces
from axon.bt.requests import Downloads, Uploads
from axon.bt.timers import Timeouts, Timers
from axon.bt.transitions import State
from axon.errors import LocalProtocolError, RemoteProtocolError
from axon.ids import InfoHash, PeerId

__all__ = ["PeerState"]

_MAX_UNSENT = 4 << 20  # bytes of control messages waiting for a peer that does not read


class PeerState:
    """See `PeerConnection` for the parameters."""

    def __init__(
        self,
        *,
        info_hashes: Collection[bytes],
        peer_id: PeerId,
        outgoing: bool,
        now: float,
        num_pieces: int | None = None,
        piece_size: Callable[[int], int] | None = None,
        offer: Container[int] | None = None,
        extensions: Mapping[str, int] | None = None,
        fast: bool = True,
        dht: bool | Callable[[InfoHash], bool] = False,
        v2: bool | Callable[[InfoHash], InfoHash | None] = False,
        reqq: int = 500,
        on_blocks: Callable[[int, int, Sequence[memoryview]], None] | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._info_hashes = info_hashes
        self._peer_id = peer_id
        self._outgoing = outgoing
        self._reserved = Reserved.NONE
        for wanted, bit in (
            (fast, Reserved.FAST),
            (extensions is not None, Reserved.EXTENDED),
        ):
            if wanted:
                self._reserved |= bit
        self._agreed = Reserved.NONE
        self._told_have = False
        self._late = False  # is it too late for the peer's first have-set?
        self._v2_name, self._dht = v2, dht
        self._names = {number: name for name, number in (extensions or {}).items()}
        self._on_blocks = on_blocks
        self._buffer = ReadBuffer()
        self._out = bytearray()
        self._events: list[ev.Event] = []
        self._timers = Timers(timeouts or Timeouts(), now)
        self._flaps, self._flap_minute = 0, now

        self.state = State.GREETING
        self.info_hash: InfoHash | None = None
        self.handshake: Handshake | None = None
        self.v2 = v2 is True

        self.am_choking = self.peer_choking = True
        self.am_interested = self.peer_interested = False
        self.offer = offer
        self.piece_size: Callable[[int], int] | None = None
        self._pieces = PeerPieces()

        self._downloads = Downloads()
        self._uploads = Uploads(reqq)
        self.allowed_fast: set[int] = set()
        self.allowed_to_peer: set[int] = set()
        self.suggested: set[int] = set()
        self._hash_requests: set[msg.HashRequest] = set()
        self._peer_hash_requests = 0

        self.extensions: Mapping[str, int] = dict(extensions or {})
        self.peer_extensions: dict[str, int] = {}
        self.client: str | None = None
        self.peer_port: int | None = None
        self.peer_reqq = DEFAULT_REQQ
        self.your_ip: bytes | None = None
        self.metadata_size: int | None = None
        self.upload_only = False

        self.blocks_received = self.bytes_received = 0
        if num_pieces is not None:
            self.set_num_pieces(num_pieces, piece_size)
        if outgoing:
            self._send_handshake(InfoHash(next(iter(info_hashes))))

    # -- what was agreed -------------------------------------------------------------------------------

    @property
    def fast(self) -> bool:
        """Do both sides speak the fast extension (BEP 6)?"""
        return Reserved.FAST in self._agreed

    @property
    def extended_protocol(self) -> bool:
        """Do both sides speak the extension protocol (BEP 10)?"""
        return Reserved.EXTENDED in self._agreed

    @property
    def num_pieces(self) -> int | None:
        """Pieces in the torrent, None while unknown."""
        return self._pieces.num_pieces

    @property
    def peer_have(self) -> Bitfield | None:
        """What the peer has; None while the number of pieces is unknown. Look, do not touch."""
        return self._pieces.have

    @property
    def peer_is_seed(self) -> bool:
        """Has the peer every piece? Known without metadata too, if it said so (BEP 6)."""
        return self._pieces.is_seed

    def set_num_pieces(self, num_pieces: int, piece_size: Callable[[int], int] | None = None) -> None:
        """The torrent's geometry became known; what the peer told before is checked now.

        Raises
        ------
        RemoteProtocolError
            If an earlier bitfield or have does not fit.
        LocalProtocolError
            If another number was known already.
        """
        if self.num_pieces not in (None, num_pieces):
            raise LocalProtocolError(f"connection: {num_pieces} pieces, was {self.num_pieces}")
        self.piece_size = piece_size or self.piece_size
        if self.num_pieces is None:
            self._pieces.set_num_pieces(num_pieces)
            for told in (self.allowed_fast, self.suggested):
                told -= {index for index in told if index >= num_pieces}

    def _send_handshake(self, info_hash: InfoHash) -> None:
        reserved = self._reserved | (Reserved.V2 if self.v2 else Reserved.NONE)
        dht = self._dht(info_hash) if callable(self._dht) else self._dht
        reserved |= Reserved.DHT if dht else Reserved.NONE
        self._out += Handshake(info_hash, self._peer_id, reserved).serialize()

    def _send(self, message: msg.Message) -> None:
        if self.state in (State.GREETING, State.CLOSED):
            raise LocalProtocolError(f"connection: {message.id.name} in state {self.state.name}")
        self._out += msg.to_frame(message)
        if len(self._out) > _MAX_UNSENT:
            raise RemoteProtocolError(
                f"connection: {len(self._out)} bytes wait for a peer that does not read"
            )
