"""The `axon` extension's state machine: every pair of state and message, bytes, and hostile peers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.receipt_ext import (
    Audit,
    AuditArrived,
    AuditAsked,
    CreditArrived,
    Event,
    Kind,
    Opened,
    Plain,
    ReceiptArrived,
    ReceiptChannel,
    Rejected,
    State,
)
from axon.errors import LocalProtocolError, RemoteProtocolError
from axon.ids import Account, Epoch, InfoHash, PieceIndex
from axon.keys import NodeSecret
from axon.receipts import AckedBlocks, PieceAck, Receipt, Reject, Scope

A, B = NodeSecret(b"\x01" * 32), NodeSecret(b"\x02" * 32)
SCOPE = Scope(1, Account(b"\x11" * 20), InfoHash(b"\x22" * 20), Epoch(3))
ACKS = (PieceAck.of(7, [0, 1]),)


def channel(secret: NodeSecret = A, scope: Scope = SCOPE, nonce: int = 1) -> ReceiptChannel:
    return ReceiptChannel(secret, scope, bytes([nonce]) * 32)


def talk(a: ReceiptChannel, b: ReceiptChannel) -> tuple[list[Event], list[Event]]:
    """Deliver until both are silent; what each saw."""
    saw: tuple[list[Event], list[Event]] = [], []
    while messages := [(b, 1, payload) for payload in a.to_send()] + [
        (a, 0, payload) for payload in b.to_send()
    ]:
        for receiver, number, payload in messages:
            saw[number].extend(receiver.receive(payload))
    return saw


def opened() -> tuple[ReceiptChannel, ReceiptChannel]:
    a, b = channel(A), channel(B, nonce=2)
    assert talk(a, b) == ([Opened(B.public)], [Opened(A.public)])
    return a, b


def receipt() -> Receipt:
    held = AckedBlocks(ACKS)
    return Receipt(*SCOPE, B.public, A.public, PieceIndex(7), 2, 1, held.root(), 0).signed(B)


def test_hello_bytes_are_as_documented() -> None:
    (hello,) = channel().to_send()
    assert (
        hello
        == b"\x00\x01"
        + (1).to_bytes(8, "big")
        + b"\x11" * 20
        + (3).to_bytes(4, "big")
        + bytes(A.public)
        + b"\x01" * 32
    )


def test_both_prove_their_keys_and_then_everything_flows() -> None:
    a, b = opened()
    assert a.taken_ledger == b.given_ledger == (SCOPE, B.public, A.public)
    b.receipt(receipt(), ACKS)
    a.credit(128, 2, resend=True)
    a.reject(Reject.RATE, 5)
    a.ask_audit(7)
    held = AckedBlocks(ACKS)
    ack, position, count, path = held.audit(7)
    audit = Audit(1, position, count, tuple(path), ack)
    b.answer_audit(audit)
    saw_a, saw_b = talk(a, b)
    assert saw_a == [ReceiptArrived(receipt(), ACKS), AuditArrived(audit)]
    assert saw_b == [CreditArrived(128, 2, True), Rejected(Reject.RATE, 5), AuditAsked(7)]
    assert b.limit == 128
    assert audit.holds(receipt())


@pytest.mark.parametrize(
    ("scope", "secret"),
    [
        (SCOPE._replace(chain_id=2), B),
        (SCOPE._replace(pool=Account(bytes(20))), B),
        (SCOPE._replace(epoch=Epoch(9)), B),
        (SCOPE, A),  # dealing with oneself
    ],
)
def test_disagreement_leaves_two_ordinary_peers(scope: Scope, secret: NodeSecret) -> None:
    a, b = channel(A), channel(secret, scope, nonce=2)
    saw = talk(a, b)
    assert [type(event) for events in saw for event in events] == [Plain, Plain]
    assert a.state is b.state is State.PLAIN
    with pytest.raises(LocalProtocolError):
        _ = a.taken_ledger


def test_hello_of_another_torrent_proves_nothing() -> None:
    """The info-hash is the connection's, and signed: a relayed auth is refused."""
    a, b = channel(A), channel(B, SCOPE._replace(info_hash=InfoHash(b"\x33" * 20)), nonce=2)
    with pytest.raises(RemoteProtocolError, match="prove"):
        talk(a, b)


def test_replayed_auth_proves_nothing() -> None:
    a, b = channel(A), channel(B, nonce=2)
    recorded = b.to_send()
    b.receive(a.to_send()[0])
    recorded += b.to_send()
    fresh = channel(A, nonce=9)
    fresh.receive(recorded[0])
    with pytest.raises(RemoteProtocolError, match="prove"):
        fresh.receive(recorded[1])


def test_key_cannot_change_on_a_connection() -> None:
    a, _ = opened()
    with pytest.raises(RemoteProtocolError, match="another key"):
        a.receive(channel(NodeSecret(b"\x03" * 32)).to_send()[0])


def test_new_epoch_is_agreed_on_without_a_new_connection() -> None:
    a, b = opened()
    later = SCOPE._replace(epoch=Epoch(4))
    a.rescope(later, b"\x03" * 32)
    saw = talk(a, b)
    assert saw == ([], [Plain("epoch 4, ours is 3")])
    b.receipt(receipt(), ACKS)  # of the old epoch, still under way
    assert talk(a, b)[0] == [ReceiptArrived(receipt(), ACKS)]
    b.rescope(later, b"\x04" * 32)
    assert talk(a, b) == ([Opened(B.public)], [Opened(A.public)])
    with pytest.raises(LocalProtocolError):
        a.rescope(SCOPE._replace(info_hash=InfoHash(bytes(20))), b"\x05" * 32)


MESSAGES = {
    Kind.HELLO: channel(B, nonce=2).to_send()[0],
    Kind.AUTH: bytes([Kind.AUTH]) + bytes(64),
    Kind.CREDIT: bytes([Kind.CREDIT]) + bytes(13),
    Kind.RECEIPT: bytes([Kind.RECEIPT]) + receipt().serialize() + ACKS[0].serialize(),
    Kind.REJECT: bytes([Kind.REJECT, 9]) + bytes(4),
    Kind.AUDIT: bytes([Kind.AUDIT]) + bytes(4),
}
ALLOWED = {
    State.GREETING: {Kind.HELLO},
    State.PROVING: {Kind.HELLO, Kind.RECEIPT, Kind.REJECT},  # and an auth, but a true one
    State.OPEN: set(Kind) - {Kind.AUTH},
    State.PLAIN: set(Kind),
}


def in_state(state: State) -> ReceiptChannel:
    if state is State.OPEN:
        return opened()[0]
    a = channel(A)
    if state is State.PROVING:
        a.receive(MESSAGES[Kind.HELLO])
    elif state is State.PLAIN:
        a.receive(channel(B, SCOPE._replace(epoch=Epoch(4)), nonce=2).to_send()[0])
    assert a.state is state
    return a


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_state_and_message(state: State, kind: Kind) -> None:
    it = in_state(state)
    if kind in ALLOWED[state]:
        it.receive(MESSAGES[kind])
    else:
        with pytest.raises(RemoteProtocolError):
            it.receive(MESSAGES[kind])


@pytest.mark.parametrize("state", list(State))
@given(payload=st.binary(max_size=300))
def test_any_bytes_give_events_or_a_remote_error(state: State, payload: bytes) -> None:
    it = in_state(state)
    try:
        it.receive(payload)
    except RemoteProtocolError:
        return


@given(kind=st.sampled_from(Kind), cut=st.integers(0, 400), extra=st.binary(max_size=3))
def test_wrong_lengths_are_refused_or_rejected(kind: Kind, cut: int, extra: bytes) -> None:
    whole = MESSAGES[kind]
    payload = whole[: cut % len(whole)] + extra if cut else whole + extra
    it = in_state(State.OPEN)
    try:
        events = it.receive(payload)
    except RemoteProtocolError:
        return
    # A receipt may come with no ack at all, and whether what it says is right is judged later.
    lengths = (len(whole), len(whole) - ACKS[0].size)
    assert all(not isinstance(event, ReceiptArrived) or len(payload) in lengths for event in events)


def test_later_versions_and_types_are_tolerated() -> None:
    it = channel(A)
    hello = bytearray(MESSAGES[Kind.HELLO])
    hello[1] = 2
    it.receive(bytes(hello) + b"more to say")
    assert it.state is State.PROVING
    assert it.receive(b"\x63whatever") == []
    with pytest.raises(RemoteProtocolError):
        channel(A).receive(b"\x63whatever")


def test_floods_end_the_connection() -> None:
    """HOSTILE 21: hellos, receipts that wait, malformed ones, audits."""
    for payload in (
        MESSAGES[Kind.HELLO],
        MESSAGES[Kind.RECEIPT],
        MESSAGES[Kind.RECEIPT][:-1],
        MESSAGES[Kind.AUDIT],
    ):
        it = opened()[0]
        with pytest.raises(RemoteProtocolError):
            for _ in range(70):
                it.receive(payload)


def test_huge_receipt_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(RemoteProtocolError, match="wait"):
        opened()[0].receive(MESSAGES[Kind.RECEIPT] + bytes(100_000))


def test_audit_round_trips_and_rejects_nonsense() -> None:
    held = AckedBlocks(PieceAck.of(index, [index]) for index in range(9))
    ack, position, count, path = held.audit(5)
    audit = Audit(1, position, count, tuple(path), ack)
    assert Audit.parse(audit.serialize()) == audit
    assert not audit.holds(receipt())
    for data in (b"", audit.serialize()[:-1], audit.serialize() + b"x"):
        with pytest.raises(RemoteProtocolError):
            Audit.parse(data)
