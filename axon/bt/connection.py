"""One peer connection, pure: bytes and `now` in; events and bytes out (BEP 3, 5, 6, 10, 21, 52, 54).

Use, by a shell that owns the socket::

    n = await socket.recv_into(conn.buffer_for_read())
    for event in conn.received(n, now): ...     # or conn.receive(data, now)
    await socket.send(conn.data_to_send())      # control messages
    for index, begin, length in conn.next_requests(16):  # blocks: header, then payload from the disk
        await socket.sendmsg([conn.piece_header(index, begin, length), payload])
    conn.deadline(); conn.on_deadline(now)      # timers

A `RemoteProtocolError` from any of these means: hang up. Blocks are handed out
as views of the read buffer, so the consumer's copy is the only one; with
`on_block` they do not even become events. Whether a message is welcome is in
the table `NEXT`; frames are `framing.py`'s, queues `requests.py`'s.
"""

import struct
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from axon.bt import events as ev
from axon.bt import messages as msg
from axon.bt.bitfield import Bitfield
from axon.bt.extended import DEFAULT_REQQ, LT_DONTHAVE, UPLOAD_ONLY, ExtendedHandshake
from axon.bt.framing import MAX_PIECES, ReadBuffer, check_length, check_prefix
from axon.bt.handshake import HANDSHAKE_SIZE, Handshake, Reserved, check_start
from axon.bt.messages import BLOCK_SIZE, KEEP_ALIVE, MAX_REQUEST, MessageId, Request
from axon.bt.requests import Downloads, Uploads
from axon.errors import LocalProtocolError, RemoteProtocolError
from axon.ids import InfoHash, PeerId

__all__ = ["NEXT", "PeerConnection", "State", "Timeouts"]

_HEAD = struct.Struct(">IBII")  # length, id, index, begin: the start of piece and request
_REQUEST = struct.Struct(">IBIII")
_INDEX = struct.Struct(">I")

_MAX_EARLY_HAVES = 1 << 16  # haves believed before the number of pieces is known
_MAX_UNSENT = 4 << 20  # bytes of control messages waiting for a peer that does not read
_MAX_ALLOWED = 64  # allowed-fast pieces remembered; BEP 6 speaks of 10
_MAX_HASH_REQUESTS = 64  # of the peer's, unanswered
_MAX_FLAPS = 240  # choke and interest changes in a minute


class State(Enum):
    """Where a connection is."""

    GREETING = auto()  # their handshake is not complete
    FIRST = auto()  # they may still tell their whole have-set
    OPEN = auto()
    CLOSED = auto()


def _table() -> dict[tuple[State, MessageId], State]:
    m = MessageId
    # BEP 3 and 6: the have-set comes first or never. What says nothing about pieces may precede it: real
    # clients send their extension handshake first, and one that joined by magnet link tells its set late.
    neutral = [m.CHOKE, m.UNCHOKE, m.INTERESTED, m.NOT_INTERESTED, m.PORT, m.EXTENDED]
    neutral += [m.HASH_REQUEST, m.HASHES, m.HASH_REJECT]
    whole = [m.BITFIELD, m.HAVE_ALL, m.HAVE_NONE]
    single = [m.HAVE, m.REQUEST, m.CANCEL, m.SUGGEST, m.REJECT, m.ALLOWED_FAST]
    table = {(State.FIRST, kind): State.FIRST for kind in neutral}
    table |= {(State.FIRST, kind): State.OPEN for kind in [*whole, *single]}
    table |= {(State.OPEN, kind): State.OPEN for kind in [*neutral, *single, m.PIECE]}
    return table


NEXT = _table()
"""(state, message) to the next state. Any pair not listed is a RemoteProtocolError."""

_NEEDS = {
    MessageId.SUGGEST: Reserved.FAST,
    MessageId.HAVE_ALL: Reserved.FAST,
    MessageId.HAVE_NONE: Reserved.FAST,
    MessageId.REJECT: Reserved.FAST,
    MessageId.ALLOWED_FAST: Reserved.FAST,
    MessageId.EXTENDED: Reserved.EXTENDED,
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    handshake: float = 20.0  # for all 68 bytes, however slowly they drip
    keep_alive: float = 110.0  # of our silence; BEP 3 lets peers hang up after 120
    idle: float = 240.0  # of their silence
    frame: float = 180.0  # to complete a message once begun
    request: float = 60.0  # without a block while requests wait: snubbed
    inactive: float = 600.0  # of nothing but keep-alives


class PeerConnection:
    """The state of one connection, ours and theirs.

    Parameters
    ----------
    info_hashes : collection of 20-byte hashes
        Those we may speak of. Outgoing: the first is named in our handshake and
        the others are other names of the same torrent (hybrid, BEP 52).
        Incoming: every torrent we run; `info_hash` then says which was meant.
    peer_id : PeerId
        Ours.
    outgoing : bool
        Did we dial? Then our handshake goes first.
    now : float
        Seconds, any origin; never decreasing in later calls.
    num_pieces, piece_size : int, callable, optional
        The torrent's geometry: pieces, and bytes in piece `index`. None while
        unknown (magnet link; incoming before the handshake): `set_num_pieces`.
    offer : container of int, optional
        Pieces that may be requested from us, e.g. our live `Bitfield`.
    extensions : mapping of name to id (1..255), optional
        Extensions of ours (BEP 10); None: the extension bit stays unset.
    fast, dht, v2 : bool
        Reserved bits to set. With `v2` hash messages are welcome.
    reqq : int
        Requests queued for the peer; more are rejected or dropped.
    on_block : callable (index, begin, view), optional
        Takes blocks at once instead of `Block` events; must not raise and must
        copy the view.

    Attributes
    ----------
    state, info_hash, handshake, fast, extended_protocol
        What was agreed; `handshake` is the peer's or None.
    am_choking, am_interested, peer_choking, peer_interested
        As in BEP 3.
    peer_have : Bitfield or None
        None until the number of pieces is known.
    peer_extensions, client, peer_port, peer_reqq, your_ip, metadata_size, upload_only
        From the peer's extension handshake; `client` is safe to print.
    allowed_fast, suggested : pieces, as told by the peer
    allowed_to_peer : pieces that the peer may request while choked
    blocks_received, bytes_received, last_message, last_block
        Payload counters and times.
    """

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
        v2: bool = False,
        reqq: int = 500,
        on_block: Callable[[int, int, memoryview], None] | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._info_hashes = info_hashes
        self._peer_id = peer_id
        self._outgoing = outgoing
        self._reserved = (
            (Reserved.FAST if fast else Reserved.NONE)
            | (Reserved.DHT if dht else Reserved.NONE)
            | (Reserved.V2 if v2 else Reserved.NONE)
            | (Reserved.EXTENDED if extensions is not None else Reserved.NONE)
        )
        self._timeouts = timeouts or Timeouts()
        self._names = {number: name for name, number in (extensions or {}).items()}
        self._on_block = on_block
        self._buffer = ReadBuffer()
        self._out = bytearray()
        self._events: list[ev.Event] = []
        self._handlers = self._make_handlers()

        self.state = State.GREETING
        self.info_hash: InfoHash | None = None
        self.handshake: Handshake | None = None
        self.fast = False
        self.extended_protocol = False
        self.v2 = v2

        self.am_choking = self.peer_choking = True
        self.am_interested = self.peer_interested = False
        self.offer = offer
        self.num_pieces: int | None = None
        self.piece_size: Callable[[int], int] | None = None
        self.peer_have: Bitfield | None = None
        self._early_set: bytes | MessageId | None = None
        self._early_haves: set[int] = set()
        self._told_have = False

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
        self._now = self._opened = self._last_received = self._last_sent = now
        self.last_message = self.last_block = self._request_start = now
        self._frame_start: float | None = None
        self._snubbed = self._inactive = False
        self._flaps, self._flap_minute = 0, now
        if num_pieces is not None:
            self.set_num_pieces(num_pieces, piece_size)
        if outgoing:
            self._send_handshake(InfoHash(next(iter(info_hashes))))

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
            self._frame_start = None
        elif at != buffer.start or self._frame_start is None:
            buffer.start = at
            self._frame_start = now
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
            self._frame_start = None
        else:
            if at or self._frame_start is None:
                self._frame_start = now
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
        self._now = self._last_received = now

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
                self.last_message = self._now
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
            self.last_block = self.last_message = self._now
            self._snubbed = False
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
        self._judge(MessageId(kind))
        stop = at + 4 + length
        if stop > end:
            self._buffer.need(4 + length)
            return at
        self.state = NEXT[self.state, MessageId(kind)]
        self.last_message = self._now
        self._inactive = False
        self._handlers[kind](view[at + 5 : stop])
        return stop

    def _judge(self, kind: MessageId) -> None:
        name = kind.name.lower().replace("_", " ")
        if (self.state, kind) not in NEXT:
            raise RemoteProtocolError(f"{name}: not welcome in state {self.state.name.lower()}")
        need = _NEEDS.get(kind)
        if need is not None and not (self.fast if need is Reserved.FAST else self.extended_protocol):
            raise RemoteProtocolError(f"{name}: {need.name} was not agreed on in the handshakes")
        if kind >= MessageId.HASH_REQUEST and not self.v2:
            raise RemoteProtocolError(f"{name}: this torrent has no v2 half")

    def _greet(self, view: memoryview, at: int, end: int) -> int:
        check_start(view[at : min(end, at + 20)])
        if end - at >= 48 and self.info_hash is None:
            # Answer before the peer id is there: whoever dials may wait for our half first.
            named = InfoHash(bytes(view[at + 28 : at + 48]))
            if named not in self._info_hashes:
                raise RemoteProtocolError(f"handshake: info-hash {named.hex()} is none of ours")
            self.info_hash = named
            if not self._outgoing:
                self._send_handshake(named)
        if end - at < HANDSHAKE_SIZE:
            return at
        theirs = Handshake.parse(view[at : at + HANDSHAKE_SIZE])
        if theirs.peer_id == self._peer_id:
            raise RemoteProtocolError("handshake: we are connected to ourselves")
        self.handshake = theirs
        both = theirs.reserved & self._reserved
        self.fast = Reserved.FAST in both
        self.extended_protocol = Reserved.EXTENDED in both
        self.state = State.FIRST
        self._events.append(ev.HandshakeReceived(theirs))
        return at + HANDSHAKE_SIZE

    # -- what a message does -----------------------------------------------------------------------

    def _make_handlers(self) -> dict[int, Callable[[memoryview], None]]:
        return {
            MessageId.CHOKE: self._choke_received,
            MessageId.UNCHOKE: self._unchoke_received,
            MessageId.INTERESTED: self._interested_received,
            MessageId.NOT_INTERESTED: self._not_interested_received,
            MessageId.HAVE: self._have_received,
            MessageId.BITFIELD: self._bitfield_received,
            MessageId.REQUEST: lambda body: self._request_received(*_fields(msg.Request.parse(body))),
            MessageId.PIECE: self._piece_received,
            MessageId.CANCEL: self._cancel_received,
            MessageId.PORT: lambda body: self._events.append(ev.DhtPort(msg.Port.parse(body).port)),
            MessageId.SUGGEST: self._suggest_received,
            MessageId.HAVE_ALL: lambda body: self._whole_set_received(MessageId.HAVE_ALL),
            MessageId.HAVE_NONE: lambda body: self._whole_set_received(MessageId.HAVE_NONE),
            MessageId.REJECT: self._reject_received,
            MessageId.ALLOWED_FAST: self._allowed_fast_received,
            MessageId.EXTENDED: self._extended_received,
            MessageId.HASH_REQUEST: self._hash_request_received,
            MessageId.HASHES: self._hashes_received,
            MessageId.HASH_REJECT: self._hash_reject_received,
        }

    def _flap(self) -> None:
        if self._now - self._flap_minute > 60:
            self._flaps, self._flap_minute = 0, self._now
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
            self._request_start = self._now
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

    def _check_index(self, what: str, index: int) -> None:
        most = MAX_PIECES if self.num_pieces is None else self.num_pieces
        if index >= most:
            raise RemoteProtocolError(f"{what}: piece {index}, want less than {most}")

    def _have_received(self, body: memoryview) -> None:
        index = msg.Have.parse(body).index
        self._check_index("have", index)
        if self.peer_have is None:
            if len(self._early_haves) >= _MAX_EARLY_HAVES:
                raise RemoteProtocolError(f"have: more than {_MAX_EARLY_HAVES} before the metadata")
            self._early_haves.add(index)
        elif self.peer_have.add(index):
            self._events.append(ev.PeerHas(index))

    def _bitfield_received(self, body: memoryview) -> None:
        if self.num_pieces is None:
            self._early_set = bytes(body)
        else:
            self.peer_have = Bitfield.from_bytes(self.num_pieces, body)
        self._events.append(ev.PeerHasSet())

    def _whole_set_received(self, kind: MessageId) -> None:
        if self.num_pieces is None:
            self._early_set = kind
        else:
            full = kind is MessageId.HAVE_ALL
            self.peer_have = Bitfield.full(self.num_pieces) if full else Bitfield(self.num_pieces)
        self._events.append(ev.PeerHasSet())

    def _piece_received(self, body: memoryview) -> None:
        """A block that the loop above did not find outstanding with this length."""
        index, begin = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        self._check_index("piece", index)
        if not self._downloads.unexpected(index, begin, len(body) - 8):
            return
        self.blocks_received += 1
        self.bytes_received += len(body) - 8
        if self._on_block is not None:
            self._on_block(index, begin, body[8:])
        else:
            self._events.append(ev.Block(index, begin, body[8:]))

    def _request_received(self, index: int, begin: int, length: int) -> None:
        self._check_index("request", index)
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

    def _suggest_received(self, body: memoryview) -> None:
        index = msg.Suggest.parse(body).index
        self._check_index("suggest", index)
        if index not in self.suggested and len(self.suggested) < _MAX_ALLOWED:
            self.suggested.add(index)
            self._events.append(ev.Suggested(index))

    def _reject_received(self, body: memoryview) -> None:
        request = Request(*_fields(msg.Reject.parse(body)))
        if self._downloads.rejected(request):
            self._events.append(ev.Rejected(request))

    def _allowed_fast_received(self, body: memoryview) -> None:
        index = msg.AllowedFast.parse(body).index
        self._check_index("allowed fast", index)
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
            self._check_index("lt_donthave", index)
            self._early_haves.discard(index)
            if self.peer_have is not None and self.peer_have.discard(index):
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
            self._send(msg.HashReject(*_hash_fields(request)))
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

    # -- geometry ----------------------------------------------------------------------------------

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
        self.num_pieces = num_pieces
        self.piece_size = piece_size or self.piece_size
        if self.peer_have is not None:
            return
        if isinstance(self._early_set, bytes):
            self.peer_have = Bitfield.from_bytes(num_pieces, self._early_set)
        elif self._early_set is MessageId.HAVE_ALL:
            self.peer_have = Bitfield.full(num_pieces)
        else:
            self.peer_have = Bitfield(num_pieces)
        for index in self._early_haves:
            self._check_index("have", index)
            self.peer_have.add(index)
        for told in (self.allowed_fast, self.suggested):
            told -= {index for index in told if index >= num_pieces}
        self._early_set, self._early_haves = None, set()

    @property
    def peer_is_seed(self) -> bool:
        """Has the peer every piece? Known without metadata too, if it said so (BEP 6)."""
        if self.peer_have is None:
            return self._early_set is MessageId.HAVE_ALL
        return self.peer_have.is_full

    # -- messages out ------------------------------------------------------------------------------

    def data_to_send(self) -> bytes:
        """Control bytes to put on the wire now, in order; they leave the connection."""
        if not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        self._last_sent = self._now
        return data

    @property
    def has_data_to_send(self) -> bool:
        return bool(self._out)

    def choke(self) -> None:
        """Stop serving: queued requests are rejected (BEP 6) or forgotten; allowed-fast ones stay."""
        if self.am_choking:
            return
        self.am_choking = True
        self._send(msg.Choke())
        for key in [key for key in self._uploads.queue if key[0] not in self.allowed_to_peer]:
            del self._uploads.queue[key]
            if self.fast:
                self._send(msg.Reject(*key))

    def unchoke(self) -> None:
        """Start serving."""
        if self.am_choking:
            self.am_choking = False
            self._send(msg.Unchoke())

    def interested(self) -> None:
        if not self.am_interested:
            self.am_interested = True
            self._send(msg.Interested())

    def not_interested(self) -> None:
        if self.am_interested:
            self.am_interested = False
            self._send(msg.NotInterested())

    def have(self, index: int) -> None:
        """Tell that we verified a piece."""
        self._send(msg.Have(index))

    def have_set(self, pieces: Bitfield) -> None:
        """Tell all that we have, in the shortest way that the peer understands; once, before any `have`.

        Raises
        ------
        LocalProtocolError
            If it was told already.
        """
        if self._told_have:
            raise LocalProtocolError("connection: the have-set was told already")
        self._told_have = True
        if self.fast and pieces.is_full:
            self._send(msg.HaveAll())
        elif self.fast and not pieces:
            self._send(msg.HaveNone())
        elif pieces:
            self._send(msg.BitfieldMessage(pieces.to_bytes()))

    def request_many(self, blocks: Iterable[tuple[int, int, int]]) -> None:
        """Ask for blocks (index, begin, length), in order. `can_request` says of which pieces.

        Raises
        ------
        LocalProtocolError
            If one is outstanding already, longer than 16 KiB, or of a piece that
            the peer chokes or never had.
        """
        outstanding = self._downloads.outstanding
        if not outstanding:
            self._request_start = self._now
        frames = []
        choking, allowed, have = self.peer_choking, self.allowed_fast, self.peer_have
        for index, begin, length in blocks:
            if choking and index not in allowed:
                raise LocalProtocolError(f"request: piece {index} of a peer that chokes")
            if (index, begin) in outstanding or not 0 < length <= BLOCK_SIZE:
                raise LocalProtocolError(f"request: block {index}+{begin}, {length} bytes: twice or too long")
            if have is None or index not in have:
                raise LocalProtocolError(f"request: the peer has no piece {index}")
            outstanding[index, begin] = length
            frames.append(_REQUEST.pack(13, 6, index, begin, length))
        self._out += b"".join(frames)

    def can_request(self, index: int) -> bool:
        """May blocks of this piece be requested now?"""
        return (
            self.peer_have is not None
            and index in self.peer_have
            and (not self.peer_choking or index in self.allowed_fast)
        )

    @property
    def outstanding(self) -> Mapping[tuple[int, int], int]:
        """Our unanswered requests: (index, begin) to length, oldest first. Look, do not touch."""
        return self._downloads.outstanding

    def cancel(self, index: int, begin: int) -> bool:
        """Take a request back; its block may still come. False if it is not outstanding."""
        request = self._downloads.give_up(index, begin)
        if request is None:
            return False
        self._send(msg.Cancel(*_fields(request)))
        return True

    def suggest(self, index: int) -> None:
        self._need_fast("suggest")
        self._send(msg.Suggest(index))

    def allow_fast(self, pieces: Iterable[int]) -> None:
        """Let the peer request these pieces while choked; see `fast.allowed_fast_set`."""
        self._need_fast("allowed fast")
        for index in pieces:
            if index not in self.allowed_to_peer:
                self.allowed_to_peer.add(index)
                self._send(msg.AllowedFast(index))

    def port(self, port: int) -> None:
        """Tell our DHT node's UDP port (BEP 5)."""
        self._send(msg.Port(port))

    def extended_handshake(self, told: ExtendedHandshake) -> None:
        """Send our extension handshake, or an update; ids from the constructor unless `told` has some."""
        if not self.extended_protocol:
            raise LocalProtocolError("extension handshake: not agreed on")
        for name, number in told.extensions.items():
            if number:
                self._names[number] = name
        self._send(msg.Extended(0, told.serialize()))

    def extended(self, name: str, payload: bytes) -> None:
        """Send a message of an extension that the peer announced.

        Raises
        ------
        LocalProtocolError
            If it did not: ask `peer_extensions` first.
        """
        number = self.peer_extensions.get(name)
        if number is None:
            raise LocalProtocolError(f"extended: the peer does not speak {name}")
        self._send(msg.Extended(number, payload))

    def hash_request(self, request: msg.HashRequest) -> None:
        """Ask for hashes of a v2 torrent (BEP 52)."""
        self._hash_requests.add(request)
        self._send(request)

    def hashes(self, request: msg.HashRequest, hashes: bytes) -> None:
        """Answer a hash request: the hashes, then the uncles."""
        self._peer_hash_requests = max(0, self._peer_hash_requests - 1)
        self._send(msg.Hashes(*_hash_fields(request), hashes))

    def hash_reject(self, request: msg.HashRequest) -> None:
        """Refuse a hash request."""
        self._peer_hash_requests = max(0, self._peer_hash_requests - 1)
        self._send(msg.HashReject(*_hash_fields(request)))

    # -- blocks out --------------------------------------------------------------------------------

    @property
    def requests_waiting(self) -> int:
        """Blocks that the peer asked for and that were not taken yet."""
        return len(self._uploads.queue)

    def next_requests(self, limit: int) -> list[tuple[int, int, int]]:
        """Take up to `limit` of the peer's requests, (index, begin, length), oldest first.

        Answer each with its block or with `reject`. Plain tuples: a seed takes
        tens of thousands a second.
        """
        return self._uploads.take(limit)

    def piece_header(self, index: int, begin: int, length: int) -> bytes:
        """The 13 bytes before a block of `length` bytes; nothing may come between."""
        self._last_sent = self._now
        return _HEAD.pack(9 + length, 7, index, begin)

    def reject(self, index: int, begin: int, length: int) -> None:
        """Refuse a request taken with `next_requests`; silent if the peer lacks BEP 6."""
        if self.fast:
            self._send(msg.Reject(index, begin, length))

    # -- time --------------------------------------------------------------------------------------

    def deadline(self) -> float:
        """When `on_deadline` wants to be called; infinity once closed."""
        t = self._timeouts
        if self.state is State.CLOSED:
            return float("inf")
        if self.state is State.GREETING:
            return self._opened + t.handshake
        soonest = min(self._last_sent + t.keep_alive, self._last_received + t.idle)
        if self._frame_start is not None:
            soonest = min(soonest, self._frame_start + t.frame)
        if self._downloads.outstanding and not self._snubbed:
            soonest = min(soonest, max(self.last_block, self._request_start) + t.request)
        if not self._inactive:
            soonest = min(soonest, self.last_message + t.inactive)
        return soonest

    def on_deadline(self, now: float) -> Sequence[ev.Event]:
        """Do what is due; early calls are harmless.

        Raises
        ------
        RemoteProtocolError
            If the peer was silent, or slow, for too long.
        """
        self._now = now
        t = self._timeouts
        if self.state is State.CLOSED:
            return []
        if self.state is State.GREETING:
            if now >= self._opened + t.handshake:
                raise RemoteProtocolError(f"handshake: incomplete after {t.handshake:g} s")
            return []
        if now >= self._last_received + t.idle:
            raise RemoteProtocolError(f"connection: silent for {t.idle:g} s")
        if self._frame_start is not None and now >= self._frame_start + t.frame:
            raise RemoteProtocolError(f"frame: incomplete after {t.frame:g} s")
        if now >= self._last_sent + t.keep_alive:
            self._out += KEEP_ALIVE
            self._last_sent = now
            self._buffer.shrink()
        waiting = bool(self._downloads.outstanding) and not self._snubbed
        if waiting and now >= max(self.last_block, self._request_start) + t.request:
            self._snubbed = True
            self._events.append(ev.Snubbed())
        if not self._inactive and now >= self.last_message + t.inactive:
            self._inactive = True
            self._events.append(ev.Inactive())
        return self._take_events()

    @property
    def snubbed(self) -> bool:
        """Has the peer left our requests waiting beyond the request timeout?"""
        return self._snubbed

    def close(self) -> tuple[Request, ...]:
        """Forget everything; the requests that were outstanding."""
        self.state = State.CLOSED
        self._out.clear()
        self._uploads.queue.clear()
        return self._downloads.give_up_all()

    # -- helpers -----------------------------------------------------------------------------------

    def _send_handshake(self, info_hash: InfoHash) -> None:
        self._out += Handshake(info_hash, self._peer_id, self._reserved).serialize()

    def _send(self, message: msg.Message) -> None:
        if self.state in (State.GREETING, State.CLOSED):
            raise LocalProtocolError(f"connection: {message.id.name} in state {self.state.name}")
        self._out += msg.to_frame(message)
        if len(self._out) > _MAX_UNSENT:
            raise RemoteProtocolError(
                f"connection: {len(self._out)} bytes wait for a peer that does not read"
            )

    def _need_fast(self, what: str) -> None:
        if not self.fast:
            raise LocalProtocolError(f"{what}: the fast extension was not agreed on")


def _fields(block: Request | msg.Cancel | msg.Reject) -> tuple[int, int, int]:
    return block.index, block.begin, block.length


def _hash_fields(request: msg.HashRequest) -> tuple[bytes, int, int, int, int]:
    return request.pieces_root, request.base_layer, request.index, request.length, request.proof_layers
