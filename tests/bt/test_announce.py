"""Announce records: what is signed, and what intervals become."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.announce import DEFAULT_INTERVAL, MAX_INTERVAL, AnnounceRequest, Event, clamp_interval
from axon.ids import InfoHash, PeerId
from axon.keys import NodeSecret

SECRET = NodeSecret(bytes(31) + b"\x05")
REQUEST = AnnounceRequest(InfoHash(b"h" * 20), PeerId(b"-AX0100-abcdefghijkl"), 6881, 1, 2, 3)


def test_signed_message_is_as_documented() -> None:
    request = replace(REQUEST, event=Event.STARTED, signed_at=7)
    assert (
        request.signed_message()
        == b"axon/1/announce"
        + b"h" * 20
        + b"-AX0100-abcdefghijkl"
        + bytes.fromhex("1ae1 0000000000000001 0000000000000002 0000000000000003 02 0000000000000007")
    )


def test_a_signed_request_verifies_and_an_unsigned_one_does_not() -> None:
    assert REQUEST.signed(SECRET, 1_700_000_000).verifies()
    assert not REQUEST.verifies()


@pytest.mark.parametrize(
    "change",
    [
        {"uploaded": 9},
        {"downloaded": 9},
        {"left": 9},
        {"port": 9},
        {"event": Event.STOPPED},
        {"signed_at": 9},
        {"info_hash": InfoHash(b"x" * 20)},
        {"peer_id": PeerId(b"x" * 20)},
    ],
)
def test_every_signed_field_is_bound(change: dict[str, object]) -> None:
    assert not replace(REQUEST.signed(SECRET, 1_700_000_000), **change).verifies()  # type: ignore[arg-type]


@given(st.one_of(st.integers(), st.none(), st.binary()))
def test_any_interval_becomes_a_usable_one(value: object) -> None:
    assert 1 <= clamp_interval(value) <= MAX_INTERVAL


def test_nonsense_becomes_the_default_interval() -> None:
    assert clamp_interval(0) == clamp_interval(-5) == clamp_interval(b"x") == DEFAULT_INTERVAL
    assert clamp_interval(10**30) == MAX_INTERVAL
