"""What a peer's messages do to the state of a connection, one method a message.

Whether a message is welcome was judged before (`transitions.py`); here its
numbers are, and the events are made. Bounds on what a peer may make us remember
are at the top.
"""

from collections.abc import Callable, Sequence

from axon.bt import events as ev
from axon.bt import messages as msg
from axon.bt.extended import LT_DONTHAVE, UPLOAD_ONLY, ExtendedHandshake
from axon.bt.messages import MAX_REQUEST, MessageId, Request
from axon.bt.peer_state import PeerState
from axon.errors import RemoteProtocolError

__all__ = ["HANDLERS", "Reactions"]

_MAX_ALLOWED = 64  # allowed-fast pieces remembered; BEP 6 speaks of 10
_MAX_HASH_REQUESTS = 64  # of the peer's, unanswered
_MAX_SINGLY = 64  # pieces told one by one of a late have-set: five bytes may bring four million
_MAX_NAMES = 128  # extensions of the peer; real ones have ten
_MAX_FLAPS = 240  # choke and interest changes in a minute


class Reactions(PeerState):
    """See `PeerConnection`."""

    def _flap(self) -> None:
        if self._timers.now - self._flap_minute > 60:
            self._flaps, self._flap_minute = 0, self._timers.now
        self._flaps += 1
        if self._flaps > _MAX_FLAPS:
            raise RemoteProtocolError(f"connection: {self._flaps} changes of mind in a minute")

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
        self._whole_received(body)

    def _have_all_received(self, body: memoryview) -> None:
        self._whole_received(True)

    def _whole_received(self, whole: memoryview | bool) -> None:
        if self._late:
            self._flap()
            gained = self._pieces.update(whole)
            if gained.count > _MAX_SINGLY:
                self._events.append(ev.PeerHasSet())
            else:
                self._events += [ev.PeerHas(index) for index in gained]
        else:
            self._pieces.tell(whole)
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
        self._hand_on(index, begin, [body[8:]])

    def _hand_on(self, index: int, begin: int, views: Sequence[memoryview]) -> None:
        """Blocks of one piece, each behind the other."""
        if self._on_blocks is not None:
            self._on_blocks(index, begin, views)
            return
        for view in views:
            self._events.append(ev.Block(index, begin, view))
            begin += len(view)

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
            if not number:
                self.peer_extensions.pop(name, None)
            elif name in self.peer_extensions or len(self.peer_extensions) < _MAX_NAMES:
                self.peer_extensions[name] = number
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


def _fields(block: Request | msg.Cancel | msg.Reject) -> tuple[int, int, int]:
    return block.index, block.begin, block.length


HANDLERS: dict[int, Callable[[Reactions, memoryview], None]] = {
    MessageId.CHOKE: Reactions._choke_received,
    MessageId.UNCHOKE: Reactions._unchoke_received,
    MessageId.INTERESTED: Reactions._interested_received,
    MessageId.NOT_INTERESTED: Reactions._not_interested_received,
    MessageId.HAVE: Reactions._have_received,
    MessageId.BITFIELD: Reactions._bitfield_received,
    MessageId.REQUEST: Reactions._plain_request_received,
    MessageId.PIECE: Reactions._piece_received,
    MessageId.CANCEL: Reactions._cancel_received,
    MessageId.PORT: Reactions._port_received,
    MessageId.SUGGEST: Reactions._suggest_received,
    MessageId.HAVE_ALL: Reactions._have_all_received,
    MessageId.HAVE_NONE: Reactions._have_none_received,
    MessageId.REJECT: Reactions._reject_received,
    MessageId.ALLOWED_FAST: Reactions._allowed_fast_received,
    MessageId.EXTENDED: Reactions._extended_received,
    MessageId.HASH_REQUEST: Reactions._hash_request_received,
    MessageId.HASHES: Reactions._hashes_received,
    MessageId.HASH_REJECT: Reactions._hash_reject_received,
}
