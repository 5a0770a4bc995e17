from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.priority import crc32c, peer_priority

ports = st.integers(0, 65535)


def test_crc32c_check_value():  # the usual check value of CRC-32C, and RFC 3720 B.4's 32 zero bytes
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


@pytest.mark.parametrize(("theirs", "want"), [("98.76.54.32", 0xEC2D7224), ("123.213.32.234", 0x99568189)])
def test_bep_40_vectors(theirs, want):
    assert peer_priority(ip_address("123.213.32.10"), 1, ip_address(theirs), 2) == want


@given(st.ip_addresses(), ports, st.ip_addresses(), ports)
def test_both_ends_compute_the_same(a, port_a, b, port_b):
    assert peer_priority(a, port_a, b, port_b) == peer_priority(b, port_b, a, port_a)


@given(ports, ports)
def test_only_equal_addresses_look_at_ports(p, q):
    one = ip_address("10.0.0.1")
    assert peer_priority(one, p, one, q) == crc32c(
        min(p, q).to_bytes(2, "big") + max(p, q).to_bytes(2, "big")
    )
    assert peer_priority(one, p, ip_address("10.0.0.2"), q) == peer_priority(
        one, 0, ip_address("10.0.0.2"), 0
    )


def test_far_addresses_of_one_network_rank_alike_and_near_ones_apart():
    ours = ip_address("2001:db8:1:2::1")
    far = [ip_address(f"2a00:1:2::{i:x}") for i in (0x00, 0x02, 0xA8)]  # differ in bits that 0x55 hides
    assert len({peer_priority(ours, 0, address, 0) for address in far}) == 1
    near = [ip_address(f"2001:db8:1:2::{i:x}") for i in (0x02, 0x03, 0xA8)]
    assert len({peer_priority(ours, 0, address, 0) for address in near}) == 3
