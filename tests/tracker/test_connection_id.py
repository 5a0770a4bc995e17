"""Connection ids: SipHash's own vectors, and who can use which id for how long."""

from hypothesis import given
from hypothesis import strategies as st

from axon.tracker.connection_id import ConnectionIds, siphash


def test_siphash_vector() -> None:
    """The reference implementation's vector for 16 bytes 00..0f under key 00..0f (`vectors_sip64[16]`)."""
    expected = int.from_bytes(bytes.fromhex("db9bc2577fcc2a3f"), "little")
    assert siphash(bytes(range(16)), bytes(range(16))) == expected


@given(st.binary(min_size=4, max_size=4), st.floats(0, 1e6), st.floats(0, 1000))
def test_an_id_is_good_for_one_to_two_windows(address: bytes, made: float, later: float) -> None:
    ids = ConnectionIds(100)
    ids.advance(made)
    cid = ids.make(address)
    ids.advance(made + later)
    windows = int((made + later) // 100) - int(made // 100)
    assert ids.good(address, cid) == (windows <= 1)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4), st.integers(0, (1 << 64) - 1))
def test_an_id_is_good_for_its_address_only(mine: bytes, other: bytes, guess: int) -> None:
    ids = ConnectionIds(100)
    cid = ids.make(mine)
    assert ids.good(mine, cid) and ids.good(other, cid) == (mine == other)
    assert not ids.good(mine, guess ^ cid) or guess == 0
