"""The pure peer connection: its table, its independence of cuts, and hostile peers."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt import events as ev
from axon.bt import messages as msg
from axon.bt.bitfield import Bitfield
from axon.bt.connection import NEXT, PeerConnection, State, Timeouts
from axon.bt.extended import LT_DONTHAVE, UPLOAD_ONLY, ExtendedHandshake
from axon.bt.handshake import HANDSHAKE_SIZE, Handshake, Reserved
from axon.bt.messages import MessageId, to_frame
from axon.errors import LocalProtocolError, RemoteProtocolError
from tests.strategies import cuts

HASH = b"h" * 20
PIECES = 10
PIECE_SIZE = 40_000
ROOT = b"r" * 32
ALL_BITS = Reserved.FAST | Reserved.EXTENDED | Reserved.V2
NAMES = {"ut_metadata": 1, "ut_pex": 2, LT_DONTHAVE: 3, UPLOAD_ONLY: 4}


def greeting(reserved=ALL_BITS, info_hash=HASH, peer_id=b"p" * 20):
    return Handshake(info_hash, peer_id, reserved).serialize()


def connect(*told, reserved=ALL_BITS, **options):
    """A connection whose peer has sent its handshake and `told`; what we said at first is drained."""
    settings = {
        "info_hashes": [HASH],
        "peer_id": b"o" * 20,
        "outgoing": True,
        "now": 0.0,
        "num_pieces": PIECES,
        "piece_size": lambda index: PIECE_SIZE,
        "extensions": NAMES,
        "v2": True,
    }
    conn = PeerConnection(**(settings | options))
    conn.receive(greeting(reserved), 0.0)
    conn.data_to_send()
    for message in told:
        conn.receive(to_frame(message), 0.0)
    return conn


def seeded(**options):
    """Connected to a seed that unchoked us."""
    return connect(msg.BitfieldMessage(Bitfield.full(PIECES).to_bytes()), msg.Unchoke(), **options)


def replay(events):
    """Events with their borrowed views copied, so that they can be kept."""
    return [e._replace(data=bytes(e.data)) if isinstance(e, ev.Block) else e for e in events]


def sent(conn):
    """The messages that wait to be sent."""
    data = memoryview(conn.data_to_send())
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        if size:
            found.append(msg.parse_message(data[4 : 4 + size]))
        data = data[4 + size :]
    return found


EXAMPLES = {
    MessageId.CHOKE: msg.Choke(),
    MessageId.UNCHOKE: msg.Unchoke(),
    MessageId.INTERESTED: msg.Interested(),
    MessageId.NOT_INTERESTED: msg.NotInterested(),
    MessageId.HAVE: msg.Have(1),
    MessageId.BITFIELD: msg.BitfieldMessage(bytes(2)),
    MessageId.REQUEST: msg.Request(0, 0, 100),
    MessageId.PIECE: msg.Piece(0, 0, b"x" * 100),
    MessageId.CANCEL: msg.Cancel(0, 0, 100),
    MessageId.PORT: msg.Port(1),
    MessageId.SUGGEST: msg.Suggest(1),
    MessageId.HAVE_ALL: msg.HaveAll(),
    MessageId.HAVE_NONE: msg.HaveNone(),
    MessageId.REJECT: msg.Reject(1, 0, 100),
    MessageId.ALLOWED_FAST: msg.AllowedFast(1),
    MessageId.EXTENDED: msg.Extended(0, b"de"),
    MessageId.HASH_REQUEST: msg.HashRequest(ROOT, 0, 0, 2, 0),
    MessageId.HASHES: msg.Hashes(ROOT, 0, 0, 2, 0, bytes(64)),
    MessageId.HASH_REJECT: msg.HashReject(ROOT, 0, 0, 2, 0),
}
FAST_ONLY = {
    MessageId.SUGGEST,
    MessageId.HAVE_ALL,
    MessageId.HAVE_NONE,
    MessageId.REJECT,
    MessageId.ALLOWED_FAST,
}
V2_ONLY = {MessageId.HASH_REQUEST, MessageId.HASHES, MessageId.HASH_REJECT}


def in_state(state, **options):
    """A connection in that state, with a request and a hash request that the examples answer."""
    if state is State.OPEN:
        conn = connect(msg.Have(0), msg.Have(1), msg.Unchoke(), **options)
        conn.request_many([(0, 0, 100), (1, 0, 100)])
    else:
        conn = connect(**options)
        conn._downloads.outstanding[1, 0] = 100
    if conn.v2:
        conn.hash_request(EXAMPLES[MessageId.HASH_REQUEST])
    assert conn.state is state
    return conn


@pytest.mark.parametrize(("state", "kind"), list(product((State.FIRST, State.OPEN), MessageId)))
def test_every_message_in_every_state_does_what_the_table_says(state, kind):
    conn = in_state(state)
    frame = to_frame(EXAMPLES[kind])
    if (state, kind) in NEXT:
        conn.receive(frame, 1.0)
        assert conn.state is NEXT[state, kind]
    else:
        with pytest.raises(RemoteProtocolError, match=f"not welcome in state {state.name.lower()}"):
            conn.receive(frame, 1.0)


def test_the_table_knows_two_states_and_keeps_the_have_set_for_the_first():
    assert {state for state, _ in NEXT} == {State.FIRST, State.OPEN}
    whole = {MessageId.HAVE_NONE}
    assert set(MessageId) - {kind for state, kind in NEXT if state is State.OPEN} == whole
    assert set(MessageId) - {kind for state, kind in NEXT if state is State.FIRST} == {MessageId.PIECE}


@pytest.mark.parametrize("kind", sorted(FAST_ONLY | V2_ONLY | {MessageId.EXTENDED}))
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_message_of_an_extension_that_one_side_lacks_is_refused(kind, whose):
    if kind in V2_ONLY:  # a property of the torrent, not of the peer's bits
        conn = connect(v2=False)
    elif whose == "ours":
        conn = connect(fast=False, extensions=None)
    else:
        conn = connect(reserved=Reserved.NONE)
    with pytest.raises(RemoteProtocolError, match=r"was not agreed on|has no v2 half"):
        conn.receive(to_frame(EXAMPLES[kind]), 1.0)


@pytest.mark.parametrize("kind", [10, 11, 12, 18, 19, 24, 99, 255])
def test_an_unknown_id_is_refused(kind):
    with pytest.raises(RemoteProtocolError, match=f"id {kind}"):
        connect().receive(bytes((0, 0, 0, 1, kind)), 1.0)


def test_after_close_receiving_is_our_own_bug():
    conn = connect()
    conn.close()
    with pytest.raises(LocalProtocolError, match="after close"):
        conn.receive(b"", 1.0)
    with pytest.raises(LocalProtocolError):
        conn.interested()
    assert conn.deadline() == float("inf") and conn.on_deadline(9e9) == []


# -- independence of cuts -------------------------------------------------------------------------

indices = st.integers(0, PIECES - 1)
spans = st.tuples(indices, st.integers(0, 20_000), st.integers(1, 16_384))
tolerated = st.one_of(
    st.sampled_from([msg.Choke(), msg.Unchoke(), msg.Interested(), msg.NotInterested(), None]),
    st.builds(msg.Have, indices),
    spans.map(lambda s: msg.Request(*s)),
    spans.map(lambda s: msg.Cancel(*s)),
    st.builds(msg.Suggest, indices),
    st.builds(msg.AllowedFast, indices),
    st.builds(msg.Port, st.integers(0, 65535)),
    st.builds(msg.Extended, st.sampled_from([1, 2]), st.binary(max_size=40)),
    st.integers(0, 7).map(lambda i: msg.Piece(0, i * 64, bytes((i,)) * 64)),
    st.integers(0, 2).map(lambda i: msg.HashRequest(ROOT, 0, 2 * i, 2, i)),
)


@st.composite
def sessions(draw):
    """Bytes of a peer from its handshake on, breaking no rule."""
    told = draw(st.lists(tolerated, max_size=25))
    have = draw(st.sampled_from([msg.HaveAll(), msg.BitfieldMessage(Bitfield(PIECES, [0, 3]).to_bytes())]))
    frames = [greeting(), to_frame(have), to_frame(msg.Unchoke())]
    answered = set()
    for message in told:
        if isinstance(message, msg.Piece):
            if message.begin in answered:
                continue
            answered.add(message.begin)
        frames.append(bytes(4) if message is None else to_frame(message))
    return b"".join(frames)


def play(chunks, *, into_buffer):
    conn = PeerConnection(
        info_hashes=[HASH], peer_id=b"o" * 20, outgoing=True, now=0.0, num_pieces=PIECES,
        piece_size=lambda index: PIECE_SIZE, extensions=NAMES, v2=True,
    )  # fmt: skip
    conn._downloads.outstanding.update({(0, i * 64): 64 for i in range(8)})
    events = []
    for chunk in chunks:
        if not into_buffer:
            events += replay(conn.receive(chunk, 1.0))
            continue
        while chunk:
            room = conn.buffer_for_read()
            n = min(len(room), len(chunk))
            room[:n] = chunk[:n]
            events += replay(conn.received(n, 1.0))
            chunk = chunk[n:]
    return events, list(conn._uploads.queue), conn.data_to_send(), conn.peer_have, conn.bytes_received


@given(st.data())
def test_events_do_not_depend_on_where_the_stream_was_cut(data):
    session = data.draw(sessions())
    whole = play([session], into_buffer=False)
    pieces = data.draw(cuts(session))
    assert play(pieces, into_buffer=False) == whole
    assert play(pieces, into_buffer=True) == whole


@given(st.data())
def test_an_error_does_not_depend_on_where_the_stream_was_cut(data):
    session = data.draw(sessions()) + data.draw(
        st.sampled_from(
            [bytes((0, 0, 0, 1, 99)), b"\xff" * 5, to_frame(msg.Have(PIECES)), to_frame(msg.HaveNone())]
        )
    )
    errors = set()
    for chunks in ([session], data.draw(cuts(session)), [bytes((b,)) for b in session]):
        with pytest.raises(RemoteProtocolError) as caught:
            play(chunks, into_buffer=False)
        errors.add(str(caught.value))
    assert len(errors) == 1


@given(st.binary(max_size=400))
def test_any_bytes_are_events_or_a_remote_protocol_error(noise):
    conn = seeded()
    try:
        conn.receive(noise, 1.0)
    except RemoteProtocolError:
        pass
    else:
        assert conn._buffer.end - conn._buffer.start <= len(noise)


# -- handshake -----------------------------------------------------------------------


def test_the_handshakes_agree_on_what_both_sides_have():
    conn = PeerConnection(
        info_hashes=[HASH], peer_id=b"o" * 20, outgoing=True, now=0.0, extensions={}, dht=True
    )
    ours = Handshake.parse(memoryview(conn.data_to_send()))
    assert ours == Handshake(HASH, b"o" * 20, Reserved.FAST | Reserved.EXTENDED | Reserved.DHT)
    (event,) = conn.receive(greeting(Reserved.FAST), 0.0)
    assert event == ev.HandshakeReceived(Handshake(HASH, b"p" * 20, Reserved.FAST))
    assert conn.fast and not conn.extended_protocol and conn.info_hash == HASH


def test_who_is_dialled_answers_as_soon_as_the_info_hash_is_known():
    conn = PeerConnection(info_hashes={HASH, b"x" * 20}, peer_id=b"o" * 20, outgoing=False, now=0.0)
    assert conn.receive(greeting()[:47], 0.0) == [] and conn.data_to_send() == b""
    assert conn.receive(greeting()[47:48], 0.0) == []
    assert Handshake.parse(memoryview(conn.data_to_send())).info_hash == HASH
    assert conn.receive(greeting()[48:67], 0.0) == []
    assert len(conn.receive(greeting()[67:], 0.0)) == 1


def test_a_hybrid_torrent_answers_to_both_its_names():
    conn = PeerConnection(info_hashes=(HASH, b"2" * 20), peer_id=b"o" * 20, outgoing=True, now=0.0, v2=True)
    assert Handshake.parse(memoryview(conn.data_to_send())).info_hash == HASH
    conn.receive(greeting(info_hash=b"2" * 20), 0.0)
    assert conn.info_hash == b"2" * 20


def test_another_torrent_ourselves_and_another_protocol_are_refused():
    def fresh():
        return PeerConnection(info_hashes=[HASH], peer_id=b"o" * 20, outgoing=False, now=0.0)

    with pytest.raises(RemoteProtocolError, match=r"info-hash 7878.* is none of ours"):
        fresh().receive(greeting(info_hash=b"x" * 20)[:48], 0.0)
    with pytest.raises(RemoteProtocolError, match="connected to ourselves"):
        fresh().receive(greeting(peer_id=b"o" * 20), 0.0)
    with pytest.raises(RemoteProtocolError, match="begins b'G'"):
        fresh().receive(b"G", 0.0)


def test_a_dripping_handshake_ends_at_its_timeout():
    conn = PeerConnection(info_hashes=[HASH], peer_id=b"o" * 20, outgoing=False, now=0.0)
    for i, byte in enumerate(greeting()[:19]):
        conn.receive(bytes((byte,)), float(i))
        assert conn.deadline() == 20.0
        assert conn.on_deadline(float(i)) == []
    with pytest.raises(RemoteProtocolError, match="handshake: incomplete after 20 s"):
        conn.on_deadline(20.0)


# -- frames --------------------------------------------------------------------------


def test_four_gigabytes_are_refused_with_the_prefix():
    with pytest.raises(RemoteProtocolError, match="length prefix 4294967295"):
        connect().receive(b"\xff\xff\xff\xff", 1.0)


@pytest.mark.parametrize("kind", [k for k in MessageId if (State.FIRST, k) in NEXT])
def test_a_long_frame_is_refused_with_its_id(kind):
    with pytest.raises(RemoteProtocolError, match="a frame of 2000000 bytes"):
        connect().receive((2_000_000).to_bytes(4, "big") + bytes((kind,)), 1.0)


def test_a_promised_frame_makes_no_room_until_it_arrives():
    conn = connect(num_pieces=None)
    conn.receive((2_000_000).to_bytes(4, "big") + bytes((5,)) + bytes(1000), 1.0)
    conn.buffer_for_read()
    assert len(conn._buffer.data) <= 64 * 1024


def test_half_a_message_ends_at_its_timeout_even_if_it_drips():
    conn = connect(msg.HaveAll(), timeouts=Timeouts(frame=100.0))
    conn.receive(b"\0\0\0\x0d\x06", 10.0)
    for now in range(20, 110, 10):
        conn.receive(b"\0", float(now))
        conn.on_deadline(float(now))
    assert conn.deadline() == 110.0
    with pytest.raises(RemoteProtocolError, match="frame: incomplete after 100 s"):
        conn.on_deadline(110.0)


# -- have-sets -----------------------------------------------------------------------


@pytest.mark.parametrize("bits", [b"\xff", b"\xff\xff\xff"])
def test_a_bitfield_of_wrong_size_is_refused(bits):
    with pytest.raises(RemoteProtocolError, match="want 3"):
        connect(msg.BitfieldMessage(bits))


def test_spare_bits_and_a_late_have_none_are_refused():
    with pytest.raises(RemoteProtocolError, match="spare bits"):
        connect(msg.BitfieldMessage(b"\xff\xff"))
    for first in [msg.Have(0), msg.HaveAll(), msg.HaveNone(), msg.BitfieldMessage(bytes(2))]:
        with pytest.raises(RemoteProtocolError, match="have none: not welcome in state open"):
            connect(first, msg.HaveNone())


@pytest.mark.parametrize("message", [msg.Have(PIECES), msg.Suggest(PIECES), msg.AllowedFast(2**32 - 1)])
def test_a_piece_out_of_range_is_refused(message):
    with pytest.raises(RemoteProtocolError, match=f"want less than {PIECES}"):
        connect(message)


def test_a_have_counts_once():
    conn = connect(msg.HaveNone())
    assert conn.receive(to_frame(msg.Have(3)) * 3, 1.0) == [ev.PeerHas(3)]
    assert list(conn.peer_have) == [3]
    conn.receive(b"".join(to_frame(msg.Have(i)) for i in range(PIECES)), 1.0)
    assert conn.peer_is_seed


def late(*pieces):
    return to_frame(msg.BitfieldMessage(Bitfield(PIECES, pieces).to_bytes()))


def test_a_late_bitfield_adds_pieces():  # as aria2 sends it
    conn = connect(msg.HaveNone(), msg.Have(2))
    assert conn.receive(late(1, 2, 3), 1.0) == [ev.PeerHas(1), ev.PeerHas(3)]
    assert conn.receive(late(9), 1.0) == [ev.PeerHas(9)]
    assert list(conn.peer_have) == [1, 2, 3, 9]
    assert len(conn.receive(to_frame(msg.HaveAll()), 1.0)) == PIECES - 4 and conn.peer_is_seed
    with pytest.raises(RemoteProtocolError, match="spare bits"):
        conn.receive(to_frame(msg.BitfieldMessage(b"\xff\xff")), 1.0)
    conn = connect(msg.HaveNone())
    with pytest.raises(RemoteProtocolError, match="changes of mind"):
        conn.receive(late(1) * 1000, 1.0)


def test_a_late_bitfield_before_the_metadata_adds_pieces_too():
    for first in (msg.HaveNone(), msg.BitfieldMessage(b"\x80\x00"), msg.Have(0)):
        conn = connect(first, num_pieces=None)
        assert conn.receive(late(5), 1.0) == []
        conn.set_num_pieces(PIECES)
        assert list(conn.peer_have) == ([5] if first == msg.HaveNone() else [0, 5])
    for first, second in [(msg.HaveAll(), late(5)), (msg.Have(5), to_frame(msg.HaveAll()))]:
        conn = connect(first, num_pieces=None)
        conn.receive(second, 1.0)
        assert conn.peer_is_seed
    conn = connect(msg.BitfieldMessage(b"\x80\x00"), num_pieces=None)
    with pytest.raises(RemoteProtocolError, match="3 bytes, want 2 as before"):
        conn.receive(to_frame(msg.BitfieldMessage(bytes(3))), 1.0)


def test_without_metadata_a_have_set_is_kept_and_judged_later():
    conn = connect(msg.BitfieldMessage(b"\x80\x00"), msg.Have(9), num_pieces=None)
    assert conn.peer_have is None and not conn.peer_is_seed
    conn.set_num_pieces(PIECES)
    assert list(conn.peer_have) == [0, 9]
    with pytest.raises(LocalProtocolError, match="11 pieces, was 10"):
        conn.set_num_pieces(11)

    assert connect(msg.HaveAll(), num_pieces=None).peer_is_seed
    for told in (msg.BitfieldMessage(b"\x80"), msg.BitfieldMessage(b"\xff\xff"), msg.Have(PIECES)):
        conn = connect(told, num_pieces=None)
        with pytest.raises(RemoteProtocolError):
            conn.set_num_pieces(PIECES)


def test_haves_without_metadata_are_bounded():
    conn = connect(num_pieces=None)
    with pytest.raises(RemoteProtocolError, match="before the metadata"):
        for i in range(70_000):
            conn.receive(to_frame(msg.Have(i)), 1.0)


def test_a_peer_can_lose_a_piece():  # BEP 54
    conn = connect(msg.HaveAll())
    assert conn.receive(to_frame(msg.Extended(3, (4).to_bytes(4, "big"))), 1.0) == [ev.PeerLost(4)]
    assert not conn.peer_is_seed and 4 not in conn.peer_have
    for payload in (b"", b"\0\0\0\x0a"):
        with pytest.raises(RemoteProtocolError, match="lt_donthave"):
            conn.receive(to_frame(msg.Extended(3, payload)), 1.0)


# -- requests from the peer ----------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (msg.Request(0, 0, 0), "0 bytes, want 1 to 131072"),
        (msg.Request(0, 0, 131_073), "131073 bytes"),
        (msg.Request(PIECES, 0, 16384), "piece 10, want less than 10"),
        (msg.Request(0, PIECE_SIZE - 99, 100), "which has 40000 bytes"),
        (msg.Request(0, 2**32 - 1, 100), "which has 40000 bytes"),
    ],
)
@pytest.mark.parametrize("choking", [True, False])
def test_an_impossible_request_is_refused(request_, error, choking):
    conn = connect(msg.HaveNone())
    if not choking:
        conn.unchoke()
    with pytest.raises(RemoteProtocolError, match=error):
        conn.receive(to_frame(request_), 1.0)


@given(st.lists(spans, max_size=30), st.integers(1, 9))
def test_requests_are_answered_in_order_and_once(asked, batch):
    conn = connect(msg.HaveNone())
    conn.unchoke()
    conn.receive(b"".join(to_frame(msg.Request(*span)) for span in asked), 1.0)
    assert conn.requests_waiting == len(set(asked))
    answered = []
    while taken := conn.next_requests(batch):
        assert len(taken) <= batch
        answered += taken
    assert answered == list(dict.fromkeys(asked))


@pytest.mark.parametrize("fast", [True, False])
def test_a_request_while_choked_is_rejected_or_forgotten(fast):
    conn = connect(msg.Interested(), fast=fast)
    conn.receive(to_frame(msg.Request(0, 0, 100)), 1.0)
    assert conn.requests_waiting == 0
    assert sent(conn) == ([msg.Reject(0, 0, 100)] if fast else [])


def test_a_request_for_a_piece_that_we_lack_is_rejected():
    conn = connect(msg.HaveNone(), offer=Bitfield(PIECES, [2]))
    conn.unchoke()
    conn.receive(to_frame(msg.Request(1, 0, 100)) + to_frame(msg.Request(2, 0, 100)), 1.0)
    assert sent(conn) == [msg.Unchoke(), msg.Reject(1, 0, 100)]
    assert conn.next_requests(9) == [(2, 0, 100)]


def test_a_flood_of_requests_fills_a_queue_and_then_ends_the_connection():
    conn = connect(msg.HaveNone(), reqq=20)
    conn.unchoke()
    with pytest.raises(RemoteProtocolError, match="in vain"):
        for begin in range(1000):
            conn.receive(to_frame(msg.Request(0, begin, 100)), 1.0)
            assert conn.requests_waiting <= 20


def test_a_served_peer_may_overfill_the_queue_now_and_then():
    conn = connect(msg.HaveNone(), reqq=20)
    conn.unchoke()
    for begin in range(1000):
        conn.receive(to_frame(msg.Request(0, begin, 100)), 1.0)
        if begin % 50 == 0:
            conn.next_requests(5)


def test_cancels_are_answered_once_and_a_storm_of_them_keeps_nothing():
    conn = connect(msg.HaveNone())
    conn.unchoke()
    conn.data_to_send()
    conn.receive((to_frame(msg.Request(0, 0, 100)) + to_frame(msg.Cancel(0, 0, 100)) * 3) * 1000, 1.0)
    assert conn.requests_waiting == 0
    assert len(sent(conn)) == 1000


def test_a_peer_that_never_reads_is_dropped_before_it_costs_memory():
    conn = connect(msg.HaveNone())
    conn.unchoke()
    storm = (to_frame(msg.Request(0, 0, 100)) + to_frame(msg.Cancel(0, 0, 100))) * 1000
    with pytest.raises(RemoteProtocolError, match="does not read"):
        for _ in range(1000):
            conn.receive(storm, 1.0)


@pytest.mark.parametrize("fast", [True, False])
def test_choking_clears_the_queue_but_for_allowed_fast_pieces(fast):
    conn = connect(msg.Interested(), fast=fast)
    conn.unchoke()
    if fast:
        conn.allow_fast([7])
    conn.receive(to_frame(msg.Request(1, 0, 100)) + to_frame(msg.Request(7, 0, 100)), 1.0)
    conn.data_to_send()
    conn.choke()
    conn.choke()
    assert sent(conn) == ([msg.Choke(), msg.Reject(1, 0, 100)] if fast else [msg.Choke()])
    assert conn.next_requests(9) == ([(7, 0, 100)] if fast else [])
    conn.receive(to_frame(msg.Request(7, 100, 100)), 1.0)
    assert conn.requests_waiting == (1 if fast else 0)


# -- blocks --------------------------------------------------------------------------


def test_blocks_that_we_asked_for_arrive_as_views():
    conn = seeded()
    conn.request_many([(0, 0, 4), (0, 4, 2)])
    assert sent(conn) == [msg.Request(0, 0, 4), msg.Request(0, 4, 2)]
    events = conn.receive(to_frame(msg.Piece(0, 4, b"ef")) + to_frame(msg.Piece(0, 0, b"abcd")), 1.0)
    assert replay(events) == [ev.Block(0, 4, b"ef"), ev.Block(0, 0, b"abcd")]
    assert not conn.outstanding and conn.blocks_received == 2 and conn.bytes_received == 6


def test_a_callback_takes_blocks_in_place_of_events():
    taken = []
    conn = seeded(on_blocks=lambda index, begin, views: taken.append((index, begin, b"".join(views))))
    conn.request_many([(0, 0, 4), (1, 0, 2)])
    assert conn.receive(to_frame(msg.Piece(0, 0, b"abcd")), 1.0) == []
    conn.cancel(1, 0)
    assert conn.receive(to_frame(msg.Piece(1, 0, b"ef")), 1.0) == []
    assert taken == [(0, 0, b"abcd"), (1, 0, b"ef")]


def test_blocks_of_a_piece_in_a_row_are_handed_on_together_and_what_lies_between_keeps_its_place():
    said = []
    conn = seeded(
        on_blocks=lambda index, begin, views: said.append((index, begin, [bytes(v) for v in views]))
    )
    blocks = [(0, 0, b"ab"), (0, 2, b"cd"), (0, 6, b"gh"), (0, 4, b"ef"), (1, 0, b"ij"), (1, 2, b"kl")]
    conn.request_many([(index, begin, 2) for index, begin, _ in blocks])
    frames = [to_frame(msg.Piece(*block)) for block in blocks]
    events = conn.receive(b"".join((*frames[:5], to_frame(msg.Interested()), frames[5])), 1.0)
    assert said == [
        (0, 0, [b"ab", b"cd"]),
        (0, 6, [b"gh"]),
        (0, 4, [b"ef"]),
        (1, 0, [b"ij"]),
        (1, 2, [b"kl"]),
    ]
    assert events == [ev.PeerInterested()]
    assert conn.blocks_received == 6 and conn.bytes_received == 12 and not conn.outstanding


def test_a_callback_may_ask_for_more_while_the_buffer_is_parsed():
    conn = seeded(on_blocks=lambda index, begin, views: conn.request_many([(index + 1, 0, 4)]))
    conn.request_many([(0, 0, 4)])
    conn.receive(b"".join(to_frame(msg.Piece(i, 0, b"abcd")) for i in range(5)), 1.0)
    assert list(conn.outstanding) == [(5, 0)] and conn.blocks_received == 5


@pytest.mark.parametrize("data", [b"abc", b"abcde"])
def test_a_block_of_wrong_length_is_refused(data):
    conn = seeded()
    conn.request_many([(0, 0, 4)])
    with pytest.raises(RemoteProtocolError, match=f"{len(data)} bytes for block 0\\+0, want 4"):
        conn.receive(to_frame(msg.Piece(0, 0, data)), 1.0)


def test_unrequested_and_duplicate_blocks_are_dropped_and_a_flood_ends_the_connection():
    conn = seeded()
    conn.request_many([(0, 0, 4)])
    block = to_frame(msg.Piece(0, 0, b"abcd"))
    assert len(conn.receive(block + block, 1.0)) == 1
    assert conn.receive(to_frame(msg.Piece(5, 2, b"abcd")), 1.0) == []  # overlaps nothing that we want
    with pytest.raises(RemoteProtocolError, match="nobody asked for"):
        conn.receive(block * 1000, 1.0)


@pytest.mark.parametrize("fast", [True, False])
def test_a_cancelled_block_is_welcome_once(fast):
    conn = seeded(fast=fast)
    conn.request_many([(0, 0, 4)])
    assert conn.cancel(0, 0) and not conn.cancel(0, 0)
    assert conn.cancel(9, 9) is False
    assert sent(conn) == [msg.Request(0, 0, 4), msg.Cancel(0, 0, 4)]
    block = to_frame(msg.Piece(0, 0, b"abcd"))
    assert len(conn.receive(block * 2, 1.0)) == 1


def test_a_choke_loses_requests_only_without_the_fast_extension():
    plain = seeded(fast=False)
    plain.request_many([(0, 0, 4), (1, 0, 4)])
    assert plain.receive(to_frame(msg.Choke()), 1.0) == [
        ev.Choked((msg.Request(0, 0, 4), msg.Request(1, 0, 4)))
    ]
    assert not plain.outstanding
    assert len(plain.receive(to_frame(msg.Piece(0, 0, b"abcd")), 1.0)) == 1  # it was on its way

    fast = seeded()
    fast.request_many([(0, 0, 4), (1, 0, 4)])
    told = to_frame(msg.Choke()) + to_frame(msg.Reject(0, 0, 4)) + to_frame(msg.Piece(1, 0, b"abcd"))
    assert replay(fast.receive(told, 1.0)) == [
        ev.Choked(()),
        ev.Rejected(msg.Request(0, 0, 4)),
        ev.Block(1, 0, b"abcd"),
    ]


def test_what_may_not_be_requested_is_our_own_bug():
    conn = connect(msg.HaveNone(), msg.Have(1))
    with pytest.raises(LocalProtocolError, match="chokes"):
        conn.request_many([(1, 0, 4)])
    conn.receive(to_frame(msg.Unchoke()), 1.0)
    assert conn.can_request(1) and not conn.can_request(2)
    with pytest.raises(LocalProtocolError, match="has no piece 2"):
        conn.request_many([(2, 0, 4)])
    conn.request_many([(1, 0, 4)])
    for bad in ((1, 0, 4), (1, 4, 16_385), (1, 4, 0)):
        with pytest.raises(LocalProtocolError, match="twice or too long"):
            conn.request_many([bad])


# -- fast extension and floods -------------------------------------------------------


def test_allowed_fast_pieces_may_be_requested_while_choked():
    conn = connect(msg.HaveAll(), msg.AllowedFast(3))
    assert conn.can_request(3) and not conn.can_request(4)
    conn.request_many([(3, 0, 4)])
    assert len(conn.receive(to_frame(msg.Piece(3, 0, b"abcd")), 1.0)) == 1


def test_a_reject_of_what_was_never_asked_is_refused():
    conn = seeded()
    conn.request_many([(0, 0, 4)])
    conn.cancel(0, 0)
    assert conn.receive(to_frame(msg.Reject(0, 0, 4)), 1.0) == []  # the answer to our cancel
    with pytest.raises(RemoteProtocolError, match="was never asked for"):
        conn.receive(to_frame(msg.Reject(0, 0, 4)), 1.0)


def test_suggestions_and_allowances_are_bounded():
    conn = connect(msg.HaveAll(), num_pieces=100_000, piece_size=None)
    for i in range(10_000):
        conn.receive(to_frame(msg.Suggest(i)) + to_frame(msg.AllowedFast(i)), 1.0)
    assert len(conn.suggested) == len(conn.allowed_fast) == 64


@pytest.mark.parametrize(
    "pair", [(msg.Unchoke(), msg.Choke()), (msg.Interested(), msg.NotInterested())], ids=["choke", "interest"]
)
def test_flapping_ends_the_connection_and_repeating_says_nothing(pair):
    conn = connect(msg.HaveNone())
    assert len(conn.receive(to_frame(pair[0]) * 1000, 1.0)) == 1
    with pytest.raises(RemoteProtocolError, match="changes of mind"):
        conn.receive((to_frame(pair[1]) + to_frame(pair[0])) * 1000, 1.0)
    slow = connect(msg.HaveNone())
    for i in range(1000):
        slow.receive(to_frame(pair[i % 2]), 10.0 * i)


def test_a_flood_of_keep_alives_says_nothing():
    assert connect(msg.HaveNone()).receive(bytes(4 * 10_000), 1.0) == []


# -- extensions ----------------------------------------------------------------------


def test_extension_messages_go_by_name():
    conn = connect()
    with pytest.raises(LocalProtocolError, match="does not speak ut_pex"):
        conn.extended("ut_pex", b"")
    told = ExtendedHandshake({"ut_pex": 7, "ut_metadata": 8}, client="X\x1b[2J", reqq=10**9, metadata_size=99)
    conn.receive(to_frame(msg.Extended(0, told.serialize())), 1.0)
    conn.extended("ut_pex", b"de")
    assert sent(conn) == [msg.Extended(7, b"de")]
    assert conn.client is not None and "\x1b" not in conn.client
    assert conn.peer_reqq == 4096 and conn.metadata_size == 99
    assert conn.receive(to_frame(msg.Extended(1, b"hello")), 1.0) == [
        ev.ExtendedMessage("ut_metadata", b"hello")
    ]
    conn.receive(to_frame(msg.Extended(0, ExtendedHandshake({"ut_pex": 0}).serialize())), 1.0)
    assert conn.peer_extensions == {"ut_metadata": 8}


def test_an_extension_id_that_we_never_gave_is_refused():
    with pytest.raises(RemoteProtocolError, match=r"id 9, want one of \[1, 2, 3, 4\]"):
        connect(msg.Extended(9, b""))


@pytest.mark.parametrize("payload", [b"", b"le", b"i1e", b"d1:mi1ee", b"d1:md6:ut_pexi256eee", b"d1:m"])
def test_a_bad_extension_handshake_is_refused(payload):
    with pytest.raises(RemoteProtocolError):
        connect(msg.Extended(0, payload))


def test_upload_only_is_told_in_two_ways():  # BEP 21, and libtorrent's message
    conn = connect()
    told = to_frame(msg.Extended(0, ExtendedHandshake(upload_only=True).serialize()))
    assert conn.receive(told, 1.0)[1:] == [ev.UploadOnlyChanged(True)]
    assert conn.receive(to_frame(msg.Extended(4, b"\0")), 1.0) == [ev.UploadOnlyChanged(False)]
    assert not conn.upload_only


def test_our_extension_handshake_may_be_updated():
    conn = connect()
    conn.extended_handshake(ExtendedHandshake(NAMES, client="Axon", metadata_size=5))
    (message,) = sent(conn)
    assert message.extension == 0
    assert ExtendedHandshake.parse(message.payload) == ExtendedHandshake(
        NAMES, client="Axon", metadata_size=5
    )
    with pytest.raises(LocalProtocolError, match="not agreed on"):
        connect(extensions=None).extended_handshake(ExtendedHandshake())


# -- hashes of v2 torrents ------------------------------------------------------------------------


def test_hash_requests_are_answered_or_refused():
    conn = connect(msg.HaveAll())
    request = msg.HashRequest(ROOT, 0, 4, 4, 1)
    assert conn.receive(to_frame(request), 1.0) == [ev.HashesRequested(request)]
    conn.hashes(request, bytes(160))
    assert sent(conn) == [msg.Hashes(ROOT, 0, 4, 4, 1, bytes(160))]
    for bad in (
        msg.HashRequest(ROOT, 0, 4, 0, 1),
        msg.HashRequest(ROOT, 0, 4, 3, 1),
        msg.HashRequest(ROOT, 0, 2, 4, 1),
        msg.HashRequest(ROOT, 0, 0, 2**31, 1),
        msg.HashRequest(ROOT, 0, 0, 2, 2**31),
    ):
        assert conn.receive(to_frame(bad), 1.0) == []
        (answer,) = sent(conn)
        assert isinstance(answer, msg.HashReject) and answer.request == bad


def test_unanswered_hash_requests_are_bounded():
    conn = connect(msg.HaveAll())
    asked = b"".join(to_frame(msg.HashRequest(ROOT, 0, 2 * i, 2, 0)) for i in range(1000))
    assert len(conn.receive(asked, 1.0)) == 64
    assert len(sent(conn)) == 936


def test_only_hashes_that_we_asked_for_are_taken():
    request = msg.HashRequest(ROOT, 0, 4, 4, 1)
    good = msg.Hashes(ROOT, 0, 4, 4, 1, bytes(160))
    conn = connect(msg.HaveAll())
    conn.hash_request(request)
    assert conn.receive(to_frame(good), 1.0) == [ev.HashesReceived(good)]
    for late in (good, msg.HashReject(ROOT, 0, 4, 4, 1)):
        with pytest.raises(RemoteProtocolError, match="nobody asked for"):
            conn.receive(to_frame(late), 1.0)
    for size in (96, 192):
        conn = connect(msg.HaveAll())
        conn.hash_request(request)
        with pytest.raises(RemoteProtocolError, match=f"{size} bytes, want 128 to 160"):
            conn.receive(to_frame(msg.Hashes(ROOT, 0, 4, 4, 1, bytes(size))), 1.0)
    conn = connect(msg.HaveAll())
    conn.hash_request(request)
    assert conn.receive(to_frame(msg.HashReject(ROOT, 0, 4, 4, 1)), 1.0) == [ev.HashesRejected(request)]


# -- our messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("pieces", [[], [1], range(PIECES)], ids=["none", "some", "all"])
def test_our_have_set_goes_out_in_the_shortest_way(pieces, fast):
    conn = connect(fast=fast)
    have = Bitfield(PIECES, pieces)
    conn.have_set(have)
    want = [msg.BitfieldMessage(have.to_bytes())]
    if fast and len(pieces) != 1:
        want = [msg.HaveAll() if pieces else msg.HaveNone()]
    elif not pieces:
        want = []
    assert sent(conn) == want
    with pytest.raises(LocalProtocolError, match="told already"):
        conn.have_set(have)


def test_states_are_told_once():
    conn = connect()
    for _ in range(2):
        conn.interested()
        conn.unchoke()
    conn.have(3)
    conn.port(6881)
    conn.suggest(3)
    for _ in range(2):
        conn.not_interested()
    assert sent(conn) == [
        msg.Interested(), msg.Unchoke(), msg.Have(3), msg.Port(6881), msg.Suggest(3), msg.NotInterested(),
    ]  # fmt: skip
    assert not conn.has_data_to_send
    with pytest.raises(LocalProtocolError, match="fast extension"):
        connect(fast=False).suggest(1)


def test_nothing_is_said_before_the_handshake():
    conn = PeerConnection(info_hashes=[HASH], peer_id=b"o" * 20, outgoing=True, now=0.0)
    assert len(conn.data_to_send()) == HANDSHAKE_SIZE
    with pytest.raises(LocalProtocolError, match="in state GREETING"):
        conn.interested()


def test_piece_header_vector():
    assert connect().piece_header(1, 2, 16384).hex() == "00004009070000000100000002"


# -- timers ---------------------------------------------------------------------------------------


def test_keep_alives_go_out_when_we_have_been_silent():
    conn = connect(msg.HaveNone())
    assert conn.deadline() == 110.0
    assert conn.on_deadline(109.0) == [] and conn.data_to_send() == b""
    conn.on_deadline(110.0)
    assert conn.data_to_send() == bytes(4)
    assert conn.deadline() == 220.0


def test_a_silent_peer_is_dropped_and_one_with_keep_alives_only_is_reported():
    conn = connect(msg.HaveNone())
    with pytest.raises(RemoteProtocolError, match="silent for 240 s"):
        conn.on_deadline(240.0)
    conn = connect(msg.HaveNone())
    events = []
    for now in range(60, 1300, 60):
        conn.receive(bytes(4), float(now))
        events += [(now, event) for event in conn.on_deadline(float(now))]
    assert events == [(600, ev.Inactive())]


def test_a_peer_that_leaves_requests_waiting_snubs_us_until_a_block_comes():
    conn = seeded()
    conn.receive(bytes(4), 50.0)
    conn.request_many([(0, 0, 4), (1, 0, 4)])
    assert conn.deadline() == 110.0
    conn.receive(bytes(4), 109.0)
    assert conn.on_deadline(109.0) == []
    assert conn.on_deadline(110.0) == [ev.Snubbed()] and conn.snubbed
    assert conn.on_deadline(111.0) == []
    conn.receive(to_frame(msg.Piece(0, 0, b"abcd")), 120.0)
    assert not conn.snubbed
    assert conn.on_deadline(179.0) == [] and conn.on_deadline(180.0) == [ev.Snubbed()]


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["deadline", "alive", "silence"])), max_size=30))
def test_the_deadline_never_lies_in_the_past_once_acted_upon(steps):
    conn, now = seeded(), 0.0
    conn.request_many([(0, 0, 4)])
    for wait, action in steps:
        now += wait
        try:
            if action == "alive":
                conn.receive(bytes(4), now)
            elif action == "deadline":
                conn.on_deadline(now)
                assert conn.deadline() > now
        except RemoteProtocolError:
            return


def test_close_returns_what_was_outstanding():
    conn = seeded()
    conn.request_many([(0, 0, 4)])
    assert conn.close() == (msg.Request(0, 0, 4),)
    assert conn.state is State.CLOSED and conn.data_to_send() == b""


def test_who_is_dialled_may_decide_by_info_hash_whether_a_torrent_has_a_v2_half():
    for named in (HASH, b"x" * 20):
        conn = PeerConnection(
            info_hashes={HASH, b"x" * 20}, peer_id=b"o" * 20, outgoing=False, now=0.0,
            v2=lambda info_hash: HASH if info_hash == HASH else None,
        )  # fmt: skip
        conn.receive(greeting(info_hash=named), 0.0)
        ours = Handshake.parse(memoryview(conn.data_to_send()))
        assert conn.v2 == (Reserved.V2 in ours.reserved) == (named == HASH)


@pytest.mark.parametrize("speaks_v2", [False, True])
@pytest.mark.parametrize("named", [HASH, b"2" * 20])
def test_who_knows_v2_is_answered_by_the_v2_name_of_a_hybrid(named, speaks_v2):
    conn = PeerConnection(
        info_hashes={HASH, b"2" * 20}, peer_id=b"o" * 20, outgoing=False, now=0.0, v2=lambda _: b"2" * 20
    )
    bit = Reserved.V2 if speaks_v2 else Reserved.NONE
    conn.receive(Handshake(named, b"p" * 20, bit).serialize(), 0.0)
    ours = Handshake.parse(memoryview(conn.data_to_send()))
    assert ours.info_hash == conn.info_hash == (b"2" * 20 if speaks_v2 else named)
    assert Reserved.V2 in ours.reserved and conn.v2
