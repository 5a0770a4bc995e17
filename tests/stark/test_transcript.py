"""The transcript against a few lines with another keccak, so that a contract can be its twin."""

from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from axon.stark.field import P
from axon.stark.transcript import Tag, Transcript


def hashed(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


@given(st.lists(st.tuples(st.sampled_from(list(Tag)), st.none() | st.binary(max_size=300)), max_size=8))
def test_states_are_chained_hashes(steps: list[tuple[Tag, bytes | None]]) -> None:
    transcript, state = Transcript(), hashed(b"axon-stark/1")
    for tag, data in steps:
        state = hashed(state + bytes([tag]) + (data or b""))
        if data is None:
            assert transcript.squeeze(tag) == state
        else:
            transcript.absorb(tag, data)
    assert transcript.state == state


def test_elements_and_positions_are_read_as_documented() -> None:
    transcript = Transcript()
    transcript.absorb(Tag.PUBLIC, b"data")
    state = hashed(transcript.state + b"\x83")
    d = int.from_bytes(state, "big")
    element = transcript.element(Tag.POINT)
    assert element == tuple((d >> s) % 2**85 % P for s in (170, 85, 0))
    first = hashed(state + b"\x87")
    second = hashed(first + b"\x87")
    words = [int.from_bytes((first + second)[k : k + 4], "big") % 2**13 for k in range(0, 40, 4)]
    assert transcript.positions(10, 13) == words
    assert transcript.state == second


def test_vector() -> None:
    # fixed so that contract and library change together or not at all
    transcript = Transcript()
    transcript.absorb(Tag.STATEMENT, bytes(range(41)))
    assert transcript.element(Tag.CONSTRAINTS) == VECTOR
    assert len({*Tag}) == len(Tag) == 16


VECTOR = (4806842860860898875, 7249162960412359701, 15871620148005332825)
