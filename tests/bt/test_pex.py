from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.bencode import encode
from axon.bt.pex import PexAddress, PexFlags, PexMessage, PexReceiver, PexSender, is_dialable
from axon.errors import RemoteProtocolError
from tests.strategies import addresses


def at(ip, port=6881):
    return PexAddress(ip_address(ip), port)


def by_family(pairs):
    return tuple(sorted(pairs, key=lambda pair: pair[0].ip.version))


flags = st.integers(0, 255).map(PexFlags)


@given(st.lists(st.tuples(addresses(), flags)), st.lists(addresses()))
def test_a_message_survives_the_wire(added, dropped):
    again = PexMessage.parse(PexMessage(tuple(added), tuple(dropped)).serialize())
    assert again.added == by_family(added)
    assert again.dropped == tuple(sorted(dropped, key=lambda address: address.ip.version))


def test_message_vector():  # hand-computed from BEP 11
    message = PexMessage(((at("1.2.3.4", 0x1AE1), PexFlags.SEED),), (at("::1", 1),))
    assert message.serialize() == (
        b"d5:added6:\x01\x02\x03\x04\x1a\xe17:added.f1:\x026:added60:8:added6.f0:7:dropped0:8:dropped618:"
        + bytes(15) + b"\x01\x00\x01e"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ([], "a list, want a dictionary"),
        ({b"added": bytes(7)}, "added has 7 bytes, want a multiple of 6"),
        ({b"added6": bytes(6)}, "added6 has 6 bytes, want a multiple of 18"),
        ({b"dropped": bytes(5)}, "dropped has 5 bytes"),
        ({b"dropped6": bytes(17)}, "dropped6 has 17 bytes"),
        ({b"added": 5}, "added is a int, want a string"),
        ({b"added": bytes(12), b"added.f": b"x"}, "1 flags for 2 peers"),
    ],
)
def test_a_malformed_message_is_refused(told, error):
    with pytest.raises(RemoteProtocolError, match=error):
        PexMessage.parse(encode(told))


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_remote_protocol_error(noise):
    with suppress(RemoteProtocolError):
        PexMessage.parse(noise)


BAD = [
    "0.0.0.0",
    "0.1.2.3",
    "255.255.255.255",
    "224.0.0.1",
    "169.254.1.1",
    "::",
    "ff02::1",
    "fe80::1",
    "::ffff:1.2.3.4",
]


@pytest.mark.parametrize("ip", BAD)
def test_nobodys_addresses_are_not_dialable(ip):
    assert not is_dialable(at(ip), allow_loopback=True)


def test_loopback_is_dialable_only_where_allowed_and_port_0_never():
    for ip in ("127.0.0.1", "127.9.9.9", "::1"):
        assert not is_dialable(at(ip)) and is_dialable(at(ip), allow_loopback=True)
    assert is_dialable(at("1.2.3.4")) and is_dialable(at("10.0.0.1")) and is_dialable(at("2001:4860::1"))
    assert not is_dialable(at("1.2.3.4", 0))


def test_what_a_receiver_gives_can_be_dialled_and_is_bounded():
    told = tuple((at(ip), PexFlags.NONE) for ip in [*BAD, "127.0.0.1", "1.2.3.4", "1.2.3.4"])
    message = PexReceiver(0.0).received(PexMessage(told).serialize(), 0.0)
    assert message.added == ((at("1.2.3.4"), PexFlags.NONE),)
    many = tuple((at(f"9.9.{i // 256}.{i % 256}"), PexFlags.NONE) for i in range(1, 1000))
    assert len(PexReceiver(0.0).received(PexMessage(many).serialize(), 0.0).added) == 200


def test_messages_too_soon_are_ignored_and_a_flood_is_refused():
    receiver = PexReceiver(0.0)
    payload = PexMessage(((at("1.2.3.4"), PexFlags.NONE),)).serialize()
    taken = [bool(receiver.received(payload, 0.0).added) for _ in range(10)]
    assert taken == [True] * 4 + [False] * 6
    with pytest.raises(RemoteProtocolError, match="want one a minute"):
        for _ in range(20):
            receiver.received(payload, 0.0)


def test_a_message_a_minute_is_always_taken():
    receiver = PexReceiver(0.0)
    for i in range(200):
        payload = PexMessage(((at("1.2.3.4", 1 + i), PexFlags.NONE),)).serialize()
        assert receiver.received(payload, 60.0 * i).added


@given(st.lists(st.tuples(st.integers(0, 100), st.sets(st.integers(1, 150))), max_size=15))
def test_the_receiver_of_all_messages_converges_on_whom_the_sender_knows(steps):
    sender, known, now, last = PexSender(), set(), 0, float("-inf")
    connected = {}
    for wait, ports in [*steps, *[(60, None)] * 8]:
        now += wait
        connected = connected if ports is None else {at("1.2.3.4", p): PexFlags.NONE for p in ports}
        message = sender.message(connected, now)
        if message is None:
            continue
        assert now - last >= 60 and len(message.added) <= 50 and len(message.dropped) <= 50
        last = now
        assert sender.deadline() == now + 60
        known |= {address for address, _ in message.added}
        known -= set(message.dropped)
    assert known == set(connected)
