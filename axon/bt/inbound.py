"""Bytes to messages: the receiving half of a connection.

`_parse` is the loop that all payload passes through; every other message goes
through `_parse_one` to its method in `reactions.py`.
"""

import struct
from collections.abc import Sequence

from axon.bt import events as ev
from axon.bt.framing import check_length, check_prefix
from axon.bt.handshake import HANDSHAKE_SIZE, Handshake, check_start
from axon.bt.messages import MessageId
from axon.bt.reactions import HANDLERS, Reactions
from axon.bt.transitions import State, judge
from axon.errors import LocalProtocolError, RemoteProtocolError
from axon.ids import InfoHash

__all__ = ["Inbound"]

_HEAD = struct.Struct(">IBII")  # length, id, index, begin: the start of piece and request


class Inbound(Reactions):
    """See `PeerConnection`."""

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

        The loop that all payload passes through: nothing is called for a block,
        and those of one piece in a row are handed on together.
        """
        if self.state is State.GREETING:
            at = self._greet(view, at, end)
            if self.state is State.GREETING:
                return at
        head = _HEAD.unpack_from
        outstanding = self._downloads.outstanding
        run: list[memoryview] = []  # blocks of one piece in a row, not handed on yet
        run_index = run_begin = follows = -1
        blocks = size = 0
        stop = at
        while end - at >= 13:
            length, kind, index, begin = head(data, at)
            # A piece: one dictionary look-up says whether it is welcome.
            if kind == 7 and outstanding.get((index, begin)) == length - 9:
                stop = at + 4 + length
                if stop > end:
                    break
                del outstanding[index, begin]
                if begin != follows or index != run_index:
                    if run:
                        self._hand_on(run_index, run_begin, run)
                        run = []
                    run_index, run_begin = index, begin
                run.append(view[at + 13 : stop])
                follows = begin + length - 9
                blocks += 1
                size += length - 9
                at = stop
                continue
            if run:
                self._hand_on(run_index, run_begin, run)
                run, run_index = [], -1
                continue  # whoever took them may have asked for what this is
            if kind == 6 and length == 13 and self.state is State.OPEN:
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
            if run:
                self._hand_on(run_index, run_begin, run)
                run = []
            while end - at >= 4:
                stop = self._parse_one(view, at, end)
                if stop == at:
                    break
                at = stop
        if run:
            self._hand_on(run_index, run_begin, run)
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
        self._late = self.state is State.OPEN
        self.state = after
        self._timers.heard()
        HANDLERS[kind](self, view[at + 5 : stop])
        return stop

    def _greet(self, view: memoryview, at: int, end: int) -> int:
        check_start(view[at : min(end, at + 20)])
        if end - at >= 48 and self.info_hash is None:
            # Answer before the peer id is there: whoever dials may wait for our half first.
            named = InfoHash(bytes(view[at + 28 : at + 48]))
            if named not in self._info_hashes:
                raise RemoteProtocolError(f"handshake: info-hash {named.hex()} is none of ours")
            if callable(self._v2_name):
                v2_name = self._v2_name(named)
                self.v2 = v2_name is not None
                if v2_name is not None and Handshake.knows_v2(view[at : at + 28]):
                    named = v2_name  # BEP 52: the connection is upgraded to v2
            self.info_hash = named
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
