import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.bencode import decode
from axon.bt.dht_krpc import (
    ANNOUNCE_PEER,
    FIND_NODE,
    GET_PEERS,
    PING,
    BadQuery,
    Contact,
    Failure,
    Query,
    Reply,
    pack_address,
    pack_contact,
    parse_krpc,
    unpack_addresses,
    unpack_contacts,
)
from axon.errors import RemoteProtocolError

ID, OTHER = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456"
IDS = st.binary(min_size=20, max_size=20)
TRANSACTIONS = st.binary(max_size=32)
PORTS = st.integers(1, 65535)
ADDRESSES = st.tuples(st.ip_addresses().map(str), PORTS)

# Whole messages from BEP 5, but for the transaction's place they are canonical.
QUERIES = [
    (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", Query(b"aa", PING, ID)),
    (
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        Query(b"aa", FIND_NODE, ID, OTHER),
    ),
    (
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
        Query(b"aa", GET_PEERS, ID, OTHER),
    ),
    (
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e"
        b"5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        Query(b"aa", ANNOUNCE_PEER, ID, OTHER, (), b"aoeusnth", 6881, implied_port=True),
    ),
]
REPLIES = [
    (b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", Reply(b"aa", OTHER)),
    (
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
        Reply(b"aa", ID, values=(b"axje.u", b"idhtnm"), token=b"aoeusnth"),
    ),
    (b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee", Failure(b"aa", 201, b"A Generic Error Ocurred")),
]


@pytest.mark.parametrize(("data", "message"), QUERIES + REPLIES)
def test_messages_of_the_bep(data, message):
    assert parse_krpc(data) == message
    # We add our version; all else is the same.
    assert {k: v for k, v in decode(message.serialize()).items() if k != b"v"} == decode(data)


def queries():
    named = {"transaction": TRANSACTIONS, "id": IDS, "read_only": st.booleans()}
    want = st.sampled_from([(), (4,), (6,), (4, 6)])
    return st.one_of(
        st.builds(Query, method=st.just(PING), **named),
        st.builds(Query, method=st.sampled_from([FIND_NODE, GET_PEERS]), target=IDS, want=want, **named),
        st.builds(
            Query,
            method=st.just(ANNOUNCE_PEER),
            target=IDS,
            token=st.binary(max_size=40),
            port=PORTS,
            implied_port=st.booleans(),
            **named,
        ),
    )


def replies():
    return st.builds(
        Reply,
        TRANSACTIONS,
        IDS,
        st.integers(0, 8).flatmap(lambda n: st.binary(min_size=26 * n, max_size=26 * n)),
        st.integers(0, 8).flatmap(lambda n: st.binary(min_size=38 * n, max_size=38 * n)),
        st.lists(ADDRESSES.map(pack_address), max_size=9).map(tuple),
        st.none() | st.binary(max_size=40),
        st.just(b"") | ADDRESSES.map(pack_address),
    )


@given(queries() | replies() | st.builds(Failure, TRANSACTIONS, st.integers(0, 999), st.binary(max_size=40)))
def test_messages_survive_the_wire_in_canonical_form(message):
    data = message.serialize()
    decode(data)  # strict: sorted keys
    assert parse_krpc(data) == message


@given(st.lists(ADDRESSES))
def test_packed_peers_survive(addresses):
    packed = [pack_address(one) for one in addresses]
    assert [pack_address(one) for one in unpack_addresses(packed)] == packed


@given(st.lists(st.tuples(IDS, st.ip_addresses(v=4).map(str), PORTS)), st.binary(max_size=25))
def test_packed_nodes_survive_and_a_cut_one_is_left_out(nodes, rest):
    contacts = [Contact(*node) for node in nodes]
    assert unpack_contacts(b"".join(map(pack_contact, contacts)) + rest, 4) == contacts


BAD_ARGUMENTS = [
    b"d1:ade1:q4:ping1:t2:aa1:y1:qe",
    b"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe",
    b"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe",
    b"d1:ad2:id20:abcdefghij0123456789e1:q13:announce_peer1:t2:aa1:y1:qe",
    b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti65536e5:token0:e"
    b"1:q13:announce_peer1:t2:aa1:y1:qe",
    b"d1:t2:aa1:y1:qe",
]


@pytest.mark.parametrize("data", BAD_ARGUMENTS)
def test_bad_arguments_are_named_with_their_transaction(data):
    with pytest.raises(BadQuery) as caught:
        parse_krpc(data)
    assert caught.value.transaction == b"aa"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"le",
        b"i1e",
        b"de",
        b"d1:t2:aa1:y1:xe",
        b"d1:t33:" + bytes(33) + b"1:y1:qe",
        b"d1:rd2:id20:abcdefghij01234567895:nodes25:" + bytes(25) + b"e1:t2:aa1:y1:re",
        b"d1:t2:aa1:y1:re",
        b"l" * 5000,
        b"d1:rl" + b"0:" * 1000 + b"e1:t2:aa1:y1:re",
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(RemoteProtocolError):
        parse_krpc(data)


@given(
    st.binary(max_size=200)
    | st.sampled_from([d for d, _ in QUERIES]).flatmap(
        lambda d: st.tuples(st.integers(0, len(d) - 1), st.binary(max_size=4)).map(
            lambda cut: d[: cut[0]] + cut[1] + d[cut[0] + 1 :]
        )
    )
)
def test_any_datagram_is_read_or_refused(data):
    with contextlib.suppress(RemoteProtocolError):
        parse_krpc(data)


def test_an_unknown_method_with_a_target_still_has_one():
    data = b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q3:get1:t2:aa1:y1:qe"
    assert parse_krpc(data) == Query(b"aa", b"get", ID, OTHER)
