from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from axon.bt.fast import allowed_fast_set

hashes = st.binary(min_size=20, max_size=20)


def test_bep_6_vectors():
    def generate(k):
        return allowed_fast_set(IPv4Address("80.4.4.200"), b"\xaa" * 20, 1313, k)

    assert generate(7) == [1059, 431, 808, 1217, 287, 376, 1188]
    assert generate(9) == [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]


@given(st.integers(0, 2**32 - 1), hashes, st.integers(0, 40), st.integers(0, 20))
def test_the_set_has_different_pieces_of_the_torrent_and_follows_from_the_network(
    ip, info_hash, pieces, size
):
    chosen = allowed_fast_set(IPv4Address(ip), info_hash, pieces, size)
    assert len(chosen) == len(set(chosen)) == min(size, pieces)
    assert all(0 <= index < pieces for index in chosen)
    assert chosen == allowed_fast_set(IPv4Address(ip ^ 0xFF), info_hash, pieces, size)


def test_ipv6_has_none():
    assert allowed_fast_set(IPv6Address("::1"), bytes(20), 100) == []
