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
`on_blocks` they do not even become events. This file holds what we say and when;
finding messages in bytes is `inbound.py`'s, whether one is welcome the table in
`transitions.py`, what it does `reactions.py`'s, the queues are `requests.py`'s.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

from axon.bt import events as ev
from axon.bt import messages as msg
from axon.bt.bitfield import Bitfield
from axon.bt.extended import ExtendedHandshake
from axon.bt.inbound import Inbound
from axon.bt.messages import BLOCK_SIZE, KEEP_ALIVE, Request
from axon.bt.timers import Timeouts
from axon.bt.transitions import NEXT, State
from axon.errors import LocalProtocolError

__all__ = ["NEXT", "PeerConnection", "State", "Timeouts"]

_HEAD = struct.Struct(">IBII")
_REQUEST = struct.Struct(">IBIII")


class PeerConnection(Inbound):
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
    fast : bool
        Set its reserved bit?
    dht : bool or callable (info-hash) -> bool
        Set the DHT's (BEP 5)? A callable is asked by info-hash: private torrents have none (BEP 27).
    v2 : bool or callable (info-hash) -> info-hash or None
        Has the torrent a v2 half? Then its reserved bit is set and hash messages
        are welcome. A callable, for incoming connections, is told the name that the
        peer used and gives the torrent's v2 name: whoever knows v2 is answered by that.
    reqq : int
        Requests queued for the peer; more are rejected or dropped.
    on_blocks : callable (index, begin, views), optional
        Takes blocks at once instead of `Block` events, those of one piece that came
        in a row together; must not raise and must copy the views.

    Attributes
    ----------
    state, info_hash, handshake, fast, extended_protocol
        What was agreed; `handshake` is the peer's or None.
    am_choking, am_interested, peer_choking, peer_interested
        As in BEP 3.
    v2 : bool
        Are hash messages welcome (BEP 52)?
    peer_have : Bitfield or None
        None until the number of pieces is known.
    peer_extensions, client, peer_port, peer_reqq, your_ip, metadata_size, upload_only
        From the peer's extension handshake; `client` is safe to print.
    allowed_fast, suggested : pieces, as told by the peer
    allowed_to_peer : pieces that the peer may request while choked
    blocks_received, bytes_received, last_message, last_block
        Payload counters and times.
    """

    # -- messages out ------------------------------------------------------------------------------

    def data_to_send(self) -> bytes:
        """Control bytes to put on the wire now, in order; they leave the connection."""
        if not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        self._timers.last_sent = self._timers.now
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
            self._timers.request_start = self._timers.now
        frames = []
        choking, allowed, have = self.peer_choking, self.allowed_fast, self.peer_have
        last = None  # blocks come in runs of one piece
        for index, begin, length in blocks:
            if index != last:
                if choking and index not in allowed:
                    raise LocalProtocolError(f"request: piece {index} of a peer that chokes")
                if have is None or index not in have:
                    raise LocalProtocolError(f"request: the peer has no piece {index}")
                last = index
            block = index, begin
            if block in outstanding or not 0 < length <= BLOCK_SIZE:
                raise LocalProtocolError(f"request: block {index}+{begin}, {length} bytes: twice or too long")
            outstanding[block] = length
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
        self._send(msg.Cancel(index, begin, request.length))
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
        self._send(msg.Hashes(*request.fields, hashes))

    def hash_reject(self, request: msg.HashRequest) -> None:
        """Refuse a hash request."""
        self._peer_hash_requests = max(0, self._peer_hash_requests - 1)
        self._send(msg.HashReject(*request.fields))

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
        self._timers.last_sent = self._timers.now
        return _HEAD.pack(9 + length, 7, index, begin)

    def reject(self, index: int, begin: int, length: int) -> None:
        """Refuse a request taken with `next_requests`; silent if the peer lacks BEP 6."""
        if self.fast:
            self._send(msg.Reject(index, begin, length))

    # -- time --------------------------------------------------------------------------------------

    def deadline(self) -> float:
        """When `on_deadline` wants to be called; infinity once closed."""
        if self.state is State.CLOSED:
            return float("inf")
        return self._timers.deadline(
            greeting=self.state is State.GREETING, waiting=bool(self._downloads.outstanding)
        )

    def on_deadline(self, now: float) -> Sequence[ev.Event]:
        """Do what is due; early calls are harmless.

        Raises
        ------
        RemoteProtocolError
            If the peer was silent, or slow, for too long.
        """
        if self.state is State.CLOSED:
            return []
        self._timers.now = now
        due = self._timers.due(
            greeting=self.state is State.GREETING, waiting=bool(self._downloads.outstanding)
        )
        if due.keep_alive:
            self._out += KEEP_ALIVE
            self._buffer.shrink()
        if due.snubbed:
            self._events.append(ev.Snubbed())
        if due.inactive:
            self._events.append(ev.Inactive())
        return self._take_events()

    @property
    def last_message(self) -> float:
        """When the peer last said anything but keep-alives."""
        return self._timers.last_message

    @property
    def last_block(self) -> float:
        """When payload last came; the connection's beginning, if never."""
        return self._timers.last_block

    @property
    def snubbed(self) -> bool:
        """Has the peer left our requests waiting beyond the request timeout?"""
        return self._timers.snubbed

    def close(self) -> tuple[Request, ...]:
        """Forget everything; the requests that were outstanding."""
        self.state = State.CLOSED
        self._out.clear()
        self._uploads.queue.clear()
        return self._downloads.give_up_all()

    def _need_fast(self, what: str) -> None:
        if not self.fast:
            raise LocalProtocolError(f"{what}: the fast extension was not agreed on")
