"""What a peer's bytes do to the state of a connection: the receiving half of `connection.py`.

`_parse` is the loop that all payload passes through; every other message goes
through `_parse_one` to its handler at the end of the file.
"""

import struct
from collections.abc import Callable, Collection, Container, Mapping, Sequence

from axon.bt import events as ev
from axon.bt import messages as msg
from axon.bt.bitfield import Bitfield
from axon.bt.extended import DEFAULT_REQQ, LT_DONTHAVE, UPLOAD_ONLY, ExtendedHandshake
from axon.bt.framing import ReadBuffer, check_length, check_prefix
from axon.bt.handshake import HANDSHAKE_SIZE, Handshake, Reserved, check_start
from axon.bt.messages import MAX_REQUEST, MessageId, Request
from axon.bt.peer_pieces import PeerPieces
from axon.bt.requests import Downloads, Uploads
from axon.bt.timers import Timeouts, Timers
from axon.bt.transitions import State, judge
from axon.errors import LocalProtocolError, RemoteProtocolError
from axon.ids import InfoHash, PeerId

__all__ = ["Inbound"]

_HEAD = struct.Struct(">IBII")  # length, id, index, begin: the start of piece and request

_MAX_UNSENT = 4 << 20  # bytes of control messages waiting for a peer that does not read
_MAX_ALLOWED = 64  # allowed-fast pieces remembered; BEP 6 speaks of 10
_MAX_HASH_REQUESTS = 64  # of the peer's, unanswered
_MAX_FLAPS = 240  # choke and interest changes in a minute


class Inbound:
    """See `PeerConnection`, which adds what we send."""

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
        dht: bool = False,
        v2: bool | Callable[[InfoHash], bool] = False,
        reqq: int = 500,
        on_block: Callable[[int, int, memoryview], None] | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._info_hashes = info_hashes
        self._peer_id = peer_id
        self._outgoing = outgoing
        self._reserved = Reserved.NONE
        for wanted, bit in (
            (fast, Reserved.FAST),
            (dht, Reserved.DHT),
            (extensions is not None, Reserved.EXTENDED),
        ):
            if wanted:
                self._reserved |= bit
        self._agreed = Reserved.NONE
        self._told_have = False
        self._is_v2 = v2
        self._names = {number: name for name, number in (extensions or {}).items()}
        self._on_block = on_block
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

    # -- bytes in ----------------------------------------------------------------------------------

    def buffer_for_read(self) -> memoryview:
        """Where to `recv_into`; never empty. Invalidates the views of earlier blocks."""
        return self._buffer.writable()

    def received(self, n: int, now: float) -> Sequence[ev.Event]:
        """`n` bytes were read into `buffer_for_read()`; what they mean, in order.

        Raises
        ------
        RemoteProtocolError
            If they break the protocol: hang up. Events of the same call are lost.
        """
        buffer = self._buffer
        buffer.wrote(n)
        self._begin(now)
        at = self._parse(buffer.data, buffer.view, buffer.start, buffer.end)
        if at == buffer.end:
            buffer.start = buffer.end = 0
            self._timers.frame_start = None
        elif at != buffer.start or self._timers.frame_start is None:
            buffer.start = at
            self._timers.frame_start = now
        return self._take_events()

    def receive(self, data: bytes | memoryview, now: float) -> Sequence[ev.Event]:
        """The same for bytes that lie elsewhere; block views look into `data` or a copy of it.

        Raises
        ------
        RemoteProtocolError
            As `received`.
        """
        self._begin(now)
        buffer = self._buffer
        if buffer.start != buffer.end:
            data = bytes(buffer.view[buffer.start : buffer.end]) + bytes(data)
            buffer.start = buffer.end = 0
        view = memoryview(data)
        at = self._parse(view, view, 0, len(view))
        if at == len(view):
            self._timers.frame_start = None
        else:
            if at or self._timers.frame_start is None:
                self._timers.frame_start = now
            rest = view[at:]
            while rest:
                room = buffer.writable()
                n = min(len(room), len(rest))
                room[:n] = rest[:n]
                buffer.wrote(n)
                rest = rest[n:]
        return self._take_events()

    def _begin(self, now: float) -> None:
        if self.state is State.CLOSED:
            raise LocalProtocolError("connection: receive after close")
        self._timers.now = self._timers.last_received = now

    def _take_events(self) -> Sequence[ev.Event]:
        events = self._events
        if events:
            self._events = []
        return events

    def _parse(self, data: bytearray | memoryview, view: memoryview, at: int, end: int) -> int:
        """Eat whole frames from `at`; where the first incomplete one begins.

        The loop that all payload passes through: no object is made and nothing
        is called for a block but what hands it on.
        """
        if self.state is State.GREETING:
            at = self._greet(view, at, end)
            if self.state is State.GREETING:
                return at
        head = _HEAD.unpack_from
        outstanding = self._downloads.outstanding
        on_block = self._on_block
        events = self._events
        add = events.append
        blocks = size = 0
        stop = at
        while end - at >= 13:
            length, kind, index, begin = head(data, at)
            if kind == 7:  # piece: one dictionary look-up says whether it is welcome
                if outstanding.get((index, begin)) == length - 9:
                    stop = at + 4 + length
                    if stop > end:
                        break
                    del outstanding[index, begin]
                    if on_block is not None:
                        on_block(index, begin, view[at + 13 : stop])
                    else:
                        add(ev.Block(index, begin, view[at + 13 : stop]))
                    blocks += 1
                    size += length - 9
                    at = stop
                    continue
            elif kind == 6 and length == 13 and self.state is State.OPEN:
                if end - at < 17:
                    break
                self._timers.heard()
                self._request_received(index, begin, int.from_bytes(view[at + 13 : at + 17], "big"))
                at += 17
                continue
            stop = self._parse_one(view, at, end)
            if stop == at:
                break
            at = stop
        else:
            while end - at >= 4:
                stop = self._parse_one(view, at, end)
                if stop == at:
                    break
                at = stop
        if blocks:
            self.blocks_received += blocks
            self.bytes_received += size
            self._timers.block()
        return at

    def _parse_one(self, view: memoryview, at: int, end: int) -> int:
        """One frame of any kind; `at` again if it is incomplete."""
        length = int.from_bytes(view[at : at + 4], "big")
        if length == 0:
            return at + 4  # keep-alive
        check_prefix(length)
        if end - at < 5:
            return at
        kind = view[at + 4]
        check_length(kind, length, self.num_pieces)
        after = judge(self.state, MessageId(kind), self._agreed, self.v2)
        stop = at + 4 + length
        if stop > end:
            self._buffer.need(4 + length)
            return at
        self.state = after
        self._timers.heard()
        _HANDLERS[kind](self, view[at + 5 : stop])
        return stop

    def _greet(self, view: memoryview, at: int, end: int) -> int:
        check_start(view[at : min(end, at + 20)])
        if end - at >= 48 and self.info_hash is None:
            # Answer before the peer id is there: whoever dials may wait for our half first.
            named = InfoHash(bytes(view[at + 28 : at + 48]))
            if named not in self._info_hashes:
                raise RemoteProtocolError(f"handshake: info-hash {named.hex()} is none of ours")
            self.info_hash = named
            self.v2 = self._is_v2(named) if callable(self._is_v2) else self._is_v2
            if not self._outgoing:
                self._send_handshake(named)
        if end - at < HANDSHAKE_SIZE:
            return at
        theirs = Handshake.parse(view[at : at + HANDSHAKE_SIZE])
        if theirs.peer_id == self._peer_id:
            raise RemoteProtocolError("handshake: we are connected to ourselves")
        self.handshake = theirs
        self._agreed = theirs.reserved & self._reserved
        self.state = State.FIRST
        self._events.append(ev.HandshakeReceived(theirs))
        return at + HANDSHAKE_SIZE

    # -- what a message does -----------------------------------------------------------------------

    def _flap(self) -> None:
        if self._timers.now - self._flap_minute > 60:
            self._flaps, self._flap_minute = 0, self._timers.now
        self._flaps += 1
        if self._flaps > _MAX_FLAPS:
            raise RemoteProtocolError(f"choke: {self._flaps} changes of mind in a minute")

    def _choke_received(self, body: memoryview) -> None:
        if self.peer_choking:
            return
        self._flap()
        self.peer_choking = True
        # BEP 6: with the fast extension every request still gets its block or its reject.
        self._events.append(ev.Choked(() if self.fast else self._downloads.give_up_all()))

    def _unchoke_received(self, body: memoryview) -> None:
        if self.peer_choking:
            self._flap()
            self.peer_choking = False
            self._timers.request_start = self._timers.now
            self._events.append(ev.Unchoked())

    def _interested_received(self, body: memoryview) -> None:
        if not self.peer_interested:
            self._flap()
            self.peer_interested = True
            self._events.append(ev.PeerInterested())

    def _not_interested_received(self, body: memoryview) -> None:
        if self.peer_interested:
            self._flap()
            self.peer_interested = False
            self._events.append(ev.PeerNotInterested())

    def _have_received(self, body: memoryview) -> None:
        index = msg.Have.parse(body).index
        if self._pieces.add(index):
            self._events.append(ev.PeerHas(index))

    def _bitfield_received(self, body: memoryview) -> None:
        self._pieces.tell(body)
        self._events.append(ev.PeerHasSet())

    def _have_all_received(self, body: memoryview) -> None:
        self._pieces.tell(True)
        self._events.append(ev.PeerHasSet())

    def _have_none_received(self, body: memoryview) -> None:
        self._pieces.tell(False)
        self._events.append(ev.PeerHasSet())

    def _piece_received(self, body: memoryview) -> None:
        """A block that the loop above did not find outstanding with this length."""
        index, begin = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        self._pieces.check("piece", index)
        if not self._downloads.unexpected(index, begin, len(body) - 8):
            return
        self._timers.block()
        self.blocks_received += 1
        self.bytes_received += len(body) - 8
        if self._on_block is not None:
            self._on_block(index, begin, body[8:])
        else:
            self._events.append(ev.Block(index, begin, body[8:]))

    def _request_received(self, index: int, begin: int, length: int) -> None:
        self._pieces.check("request", index)
        if not 0 < length <= MAX_REQUEST:
            raise RemoteProtocolError(f"request: {length} bytes, want 1 to {MAX_REQUEST}")
        if self.piece_size is not None and begin + length > (size := self.piece_size(index)):
            raise RemoteProtocolError(f"request: {begin}+{length} in piece {index}, which has {size} bytes")
        welcome = not self.am_choking or index in self.allowed_to_peer
        if welcome and self.offer is not None and index not in self.offer:
            welcome = False
        if not welcome or not self._uploads.add(index, begin, length):
            # Without BEP 6 a request that crossed our choke is simply forgotten.
            self._uploads.refuse()
            if self.fast:
                self._send(msg.Reject(index, begin, length))

    def _cancel_received(self, body: memoryview) -> None:
        wanted = msg.Cancel.parse(body)
        key = _fields(wanted)
        if key in self._uploads.queue:
            del self._uploads.queue[key]
            if self.fast:
                self._send(msg.Reject(*key))

    def _plain_request_received(self, body: memoryview) -> None:
        self._request_received(*_fields(msg.Request.parse(body)))

    def _port_received(self, body: memoryview) -> None:
        self._events.append(ev.DhtPort(msg.Port.parse(body).port))

    def _suggest_received(self, body: memoryview) -> None:
        index = msg.Suggest.parse(body).index
        self._pieces.check("suggest", index)
        if index not in self.suggested and len(self.suggested) < _MAX_ALLOWED:
            self.suggested.add(index)
            self._events.append(ev.Suggested(index))

    def _reject_received(self, body: memoryview) -> None:
        request = Request(*_fields(msg.Reject.parse(body)))
        if self._downloads.rejected(request):
            self._events.append(ev.Rejected(request))

    def _allowed_fast_received(self, body: memoryview) -> None:
        index = msg.AllowedFast.parse(body).index
        self._pieces.check("allowed fast", index)
        if index not in self.allowed_fast and len(self.allowed_fast) < _MAX_ALLOWED:
            self.allowed_fast.add(index)
            self._events.append(ev.AllowedFastReceived(index))

    def _extended_received(self, body: memoryview) -> None:
        number, payload = body[0], bytes(body[1:])
        if number == 0:
            self._extended_handshake_received(ExtendedHandshake.parse(payload))
            return
        name = self._names.get(number)
        if name is None:
            raise RemoteProtocolError(f"extended: id {number}, want one of {sorted(self._names)}")
        if name == LT_DONTHAVE:
            if len(payload) != 4:
                raise RemoteProtocolError(f"lt_donthave: {len(payload)} bytes, want 4")
            index = int.from_bytes(payload, "big")
            if self._pieces.discard(index):
                self._events.append(ev.PeerLost(index))
        elif name == UPLOAD_ONLY:
            self._set_upload_only(payload != b"\0")
        else:
            self._events.append(ev.ExtendedMessage(name, payload))

    def _extended_handshake_received(self, told: ExtendedHandshake) -> None:
        for name, number in told.extensions.items():
            if number:
                self.peer_extensions[name] = number
            else:
                self.peer_extensions.pop(name, None)
        self.client = told.client or self.client
        self.peer_port = told.port or self.peer_port
        self.peer_reqq = told.reqq or self.peer_reqq
        self.your_ip = told.your_ip or self.your_ip
        self.metadata_size = told.metadata_size or self.metadata_size
        self._events.append(ev.ExtensionsReceived(told))
        if told.upload_only is not None:
            self._set_upload_only(told.upload_only)

    def _set_upload_only(self, flag: bool) -> None:
        if flag != self.upload_only:
            self._flap()
            self.upload_only = flag
            self._events.append(ev.UploadOnlyChanged(flag))

    def _hash_request_received(self, body: memoryview) -> None:
        request = msg.HashRequest.parse(body)
        n = request.length
        bad = n < 2 or n & (n - 1) or request.index % n or n > msg.MAX_HASHES or request.proof_layers > 64
        if bad or self._peer_hash_requests >= _MAX_HASH_REQUESTS:
            self._send(msg.HashReject(*request.fields))
            return
        self._peer_hash_requests += 1
        self._events.append(ev.HashesRequested(request))

    def _hashes_received(self, body: memoryview) -> None:
        hashes = msg.Hashes.parse(body)
        if hashes.request not in self._hash_requests:
            raise RemoteProtocolError(f"hashes: nobody asked for {hashes.length} at {hashes.index}")
        most = 32 * (hashes.length + hashes.proof_layers)
        if not 32 * hashes.length <= len(hashes.hashes) <= most:
            raise RemoteProtocolError(
                f"hashes: {len(hashes.hashes)} bytes, want {32 * hashes.length} to {most}"
            )
        self._hash_requests.discard(hashes.request)
        self._events.append(ev.HashesReceived(hashes))

    def _hash_reject_received(self, body: memoryview) -> None:
        request = msg.HashReject.parse(body).request
        if request not in self._hash_requests:
            raise RemoteProtocolError(f"hash reject: nobody asked for {request.length} at {request.index}")
        self._hash_requests.discard(request)
        self._events.append(ev.HashesRejected(request))

    # -- helpers -----------------------------------------------------------------------------------

    def _send_handshake(self, info_hash: InfoHash) -> None:
        v2 = self._is_v2(info_hash) if callable(self._is_v2) else self._is_v2
        reserved = self._reserved | (Reserved.V2 if v2 else Reserved.NONE)
        self._out += Handshake(info_hash, self._peer_id, reserved).serialize()

    def _send(self, message: msg.Message) -> None:
        if self.state in (State.GREETING, State.CLOSED):
            raise LocalProtocolError(f"connection: {message.id.name} in state {self.state.name}")
        self._out += msg.to_frame(message)
        if len(self._out) > _MAX_UNSENT:
            raise RemoteProtocolError(
                f"connection: {len(self._out)} bytes wait for a peer that does not read"
            )


def _fields(block: Request | msg.Cancel | msg.Reject) -> tuple[int, int, int]:
    return block.index, block.begin, block.length


_HANDLERS: dict[int, Callable[[Inbound, memoryview], None]] = {
    MessageId.CHOKE: Inbound._choke_received,
    MessageId.UNCHOKE: Inbound._unchoke_received,
    MessageId.INTERESTED: Inbound._interested_received,
    MessageId.NOT_INTERESTED: Inbound._not_interested_received,
    MessageId.HAVE: Inbound._have_received,
    MessageId.BITFIELD: Inbound._bitfield_received,
    MessageId.REQUEST: Inbound._plain_request_received,
    MessageId.PIECE: Inbound._piece_received,
    MessageId.CANCEL: Inbound._cancel_received,
    MessageId.PORT: Inbound._port_received,
    MessageId.SUGGEST: Inbound._suggest_received,
    MessageId.HAVE_ALL: Inbound._have_all_received,
    MessageId.HAVE_NONE: Inbound._have_none_received,
    MessageId.REJECT: Inbound._reject_received,
    MessageId.ALLOWED_FAST: Inbound._allowed_fast_received,
    MessageId.EXTENDED: Inbound._extended_received,
    MessageId.HASH_REQUEST: Inbound._hash_request_received,
    MessageId.HASHES: Inbound._hashes_received,
    MessageId.HASH_REJECT: Inbound._hash_reject_received,
}
