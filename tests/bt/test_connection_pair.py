"""Two pure connections back to back, against a dictionary of what each side should know of the other.

The wire between them delivers any number of bytes at a time, or none, so that
messages cross: chokes with requests, cancels with blocks, haves with haves.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from axon.bt import events as ev
from axon.bt.bitfield import Bitfield
from axon.bt.connection import PeerConnection
from axon.bt.extended import ExtendedHandshake
from axon.bt.messages import HashRequest

PIECES, BLOCKS, SIZE = 6, 3, 64
SIDES = st.sampled_from("ab")
PIECE = st.integers(0, PIECES - 1)
BLOCK = st.tuples(PIECE, st.integers(0, BLOCKS - 1).map(lambda i: i * SIZE))
ROOT = bytes(32)


def other(side):
    return "b" if side == "a" else "a"


def content(index, begin):
    return bytes((index * 16 + begin // SIZE,)) * SIZE


class Pair(RuleBasedStateMachine):
    @initialize(fast=st.tuples(st.booleans(), st.booleans()), have=st.tuples(*[st.sets(PIECE)] * 2))
    def meet(self, fast, have):
        self.now = self.waited = 0.0
        self.have = dict(zip("ab", (set(h) for h in have)))
        self.conn = {
            side: PeerConnection(
                info_hashes=[b"h" * 20], peer_id=side.encode() * 20, outgoing=side == "a", now=0.0,
                num_pieces=PIECES, piece_size=lambda index: BLOCKS * SIZE,
                extensions={"x": 1 + (side == "b")}, fast=fast[side == "b"], v2=True,
            )
            for side in "ab"
        }  # fmt: skip
        self.wire = {"a": b"", "b": b""}  # towards that side
        self.seen = {"a": [], "b": []}  # events, in order
        self.greeted = {"a": False, "b": False}
        self.said = {"a": [], "b": []}  # extended messages
        self.wanted = {"a": set(), "b": set()}  # blocks that we owe an outcome
        self.got = {"a": {}, "b": {}}
        self.mode = {side: {"unchoked": False, "interested": False} for side in "ab"}
        for side in "ab":
            self.flush(side)

    # -- the wire --

    def flush(self, side):
        self.wire[other(side)] += self.conn[side].data_to_send()

    def deliver(self, side, n):
        data, self.wire[side] = self.wire[side][:n], self.wire[side][n:]
        conn = self.conn[side]
        for event in conn.receive(data, self.now):
            self.note(side, event)
        if conn.handshake and not self.greeted[side]:
            self.greeted[side] = True
            conn.have_set(Bitfield(PIECES, self.have[side]))
            conn.extended_handshake(ExtendedHandshake(conn.extensions))
        self.flush(side)

    def note(self, side, event):
        match event:
            case ev.Block(index, begin, data):
                assert bytes(data) == content(index, begin)
                self.got[side][index, begin] = self.got[side].get((index, begin), 0) + 1
                self.wanted[side].discard((index, begin))
            case ev.Choked(lost):
                self.wanted[side] -= {(r.index, r.begin) for r in lost}
            case ev.Rejected(request):
                assert (request.index, request.begin) in self.wanted[side]
                self.wanted[side].discard((request.index, request.begin))
            case ev.ExtendedMessage(name, payload):
                assert name == "x"
                self.seen[side].append(payload)
            case ev.HashesRequested(request):
                self.conn[side].hashes(request, bytes(32 * request.length))

    @rule(side=SIDES, n=st.integers(1, 300))
    def some_bytes_arrive(self, side, n):
        self.deliver(side, n)

    @rule()
    def everything_arrives(self):
        for _ in range(20):
            for side in "ab":
                self.deliver(side, len(self.wire[side]))
        assert self.wire == {"a": b"", "b": b""}
        for side in "ab":
            mine, theirs = self.conn[side], self.conn[other(side)]
            assert mine.peer_choking == theirs.am_choking == (not self.mode[other(side)]["unchoked"])
            assert mine.peer_interested == theirs.am_interested == self.mode[other(side)]["interested"]
            assert set(mine.peer_have) == self.have[other(side)]
            assert self.seen[side] == self.said[other(side)]
            assert mine.fast == theirs.fast
            assert mine.requests_waiting == len(theirs.outstanding)

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds):
        if all(self.greeted.values()):
            self.waited += seconds
            if self.waited > 150:  # half a message is not left lying for three minutes
                for side in "ab":
                    self.deliver(side, len(self.wire[side]))
                self.waited = seconds
            self.now += seconds
            for side in "ab":
                self.conn[side].receive(b"\0\0\0\0" if not self.wire[side] else b"", self.now)
                for event in self.conn[side].on_deadline(self.now):
                    assert event in (ev.Snubbed(), ev.Inactive())

    # -- what a side does --

    def ready(self, side):
        return self.greeted[side]

    @rule(side=SIDES, index=PIECE)
    def gain_a_piece(self, side, index):
        if self.ready(side) and index not in self.have[side]:
            self.have[side].add(index)
            self.conn[side].have(index)
            self.flush(side)

    @rule(side=SIDES, unchoke=st.booleans())
    def choke_or_unchoke(self, side, unchoke):
        if self.ready(side):
            conn = self.conn[side]
            (conn.unchoke if unchoke else conn.choke)()
            self.mode[side]["unchoked"] = unchoke
            self.flush(side)

    @rule(side=SIDES, want=st.booleans())
    def show_interest(self, side, want):
        if self.ready(side):
            conn = self.conn[side]
            (conn.interested if want else conn.not_interested)()
            self.mode[side]["interested"] = want
            self.flush(side)

    @rule(side=SIDES, blocks=st.sets(BLOCK, max_size=5))
    def ask(self, side, blocks):
        conn = self.conn[side]
        can = [
            b for b in sorted(blocks)
            if conn.can_request(b[0]) and b not in conn.outstanding and b not in conn._downloads.late
        ]  # fmt: skip
        conn.request_many([(index, begin, SIZE) for index, begin in can])
        self.wanted[side].update(can)
        self.flush(side)

    @rule(side=SIDES, data=st.data())
    def take_a_request_back(self, side, data):
        if self.conn[side].outstanding:
            index, begin = data.draw(st.sampled_from(list(self.conn[side].outstanding)))
            assert self.conn[side].cancel(index, begin)
            self.wanted[side].discard((index, begin))
            self.flush(side)

    @rule(side=SIDES, limit=st.integers(1, 4), refuse=st.booleans())
    def serve(self, side, limit, refuse):
        conn = self.conn[side]
        self.flush(side)
        for index, begin, length in conn.next_requests(limit):
            assert index in self.have[side] and length == SIZE
            if refuse and conn.fast:
                conn.reject(index, begin, length)
                self.flush(side)
            else:
                self.wire[other(side)] += conn.piece_header(index, begin, length) + content(index, begin)

    @rule(side=SIDES, payload=st.binary(max_size=9))
    def say_something_extended(self, side, payload):
        if "x" in self.conn[side].peer_extensions:
            self.conn[side].extended("x", payload)
            self.said[side].append(payload)
            self.flush(side)

    @rule(side=SIDES, index=st.integers(0, 3))
    def ask_for_hashes(self, side, index):
        request = HashRequest(ROOT, 0, 2 * index, 2, 0)
        if self.ready(side) and request not in self.conn[side]._hash_requests:
            self.conn[side].hash_request(request)
            self.flush(side)

    @rule(side=SIDES, index=PIECE)
    def allow_a_piece_while_choked(self, side, index):
        conn = self.conn[side]
        if self.ready(side) and conn.fast and index in self.have[side]:
            conn.allow_fast([index])
            self.flush(side)

    # -- what always holds --

    @precondition(lambda self: hasattr(self, "conn"))
    @invariant()
    def what_is_outstanding_is_what_is_owed(self):
        for side in "ab":
            assert set(self.conn[side].outstanding) == self.wanted[side]
            have = self.conn[side].peer_have
            assert have is None or set(have) <= self.have[other(side)]


TestPair = Pair.TestCase
