import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.handshake import HANDSHAKE_SIZE, PROTOCOL, Handshake, Reserved, check_start
from axon.errors import RemoteProtocolError

hashes = st.binary(min_size=20, max_size=20)


@given(hashes, hashes, st.integers(0, 2**64 - 1))
def test_a_handshake_survives_the_wire_with_its_unknown_bits(info_hash, peer_id, reserved):
    wire = Handshake(info_hash, peer_id, Reserved(reserved)).serialize()
    assert len(wire) == HANDSHAKE_SIZE
    assert Handshake.parse(memoryview(wire)) == Handshake(info_hash, peer_id, Reserved(reserved))


def test_the_reserved_bits_are_where_the_beps_put_them():
    def reserved(bit):
        return Handshake(bytes(20), bytes(20), bit).serialize()[20:28]

    assert reserved(Reserved.EXTENDED)[5] == 0x10  # BEP 10: reserved_byte[5] & 0x10
    assert reserved(Reserved.FAST)[7] == 0x04  # BEP 6: reserved[7] |= 0x04
    assert reserved(Reserved.DHT)[7] == 0x01  # BEP 5: last bit
    assert reserved(Reserved.V2)[7] == 0x10  # BEP 52: fourth most significant bit of the last byte


@given(st.binary(min_size=1, max_size=20))
def test_a_wrong_start_is_refused_at_its_first_byte(start):
    if PROTOCOL.startswith(start):
        check_start(memoryview(start))
    else:
        with pytest.raises(RemoteProtocolError, match="handshake: begins"):
            check_start(memoryview(start))


def test_67_bytes_are_not_a_handshake():
    with pytest.raises(RemoteProtocolError, match="67 bytes, want 68"):
        Handshake.parse(memoryview(bytes(67)))
