from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.dht_id import bind_id, is_bound, is_exempt, shared_bits

IDS = st.binary(min_size=20, max_size=20)
# BEP 42's examples: address, last byte, and the id's first 21 bits.
VECTORS = [
    ("124.31.75.21", 1, "5fbfbf"),
    ("21.75.31.124", 86, "5a3ce9"),
    ("65.23.51.170", 22, "a5d432"),
    ("84.124.73.14", 65, "1b0321"),
    ("43.213.53.83", 90, "e56f6c"),
]


@pytest.mark.parametrize(("host", "last", "head"), VECTORS)
def test_ids_of_the_beps_examples(host, last, head):
    made = bind_id(ip_address(host), bytes(2) + b"\xff" * 17 + bytes([last]))
    want = bytes.fromhex(head)
    assert made[:2] == want[:2]
    assert made[2] & 0xF8 == want[2] & 0xF8
    assert made[19] == last
    assert is_bound(want + bytes(16) + bytes([last]), host)
    assert not is_bound(bytes([want[0] ^ 0x80]) + want[1:] + bytes(16) + bytes([last]), host)


@given(st.ip_addresses(), IDS)
def test_an_id_made_for_an_address_is_bound_to_it(ip, entropy):
    made = bind_id(ip, entropy)
    assert len(made) == 20
    assert is_bound(made, str(ip))


@given(IDS)
def test_local_networks_may_have_any_id(node_id):
    for host in ("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.9", "169.254.3.4", "::1", "fe80::1"):
        assert is_exempt(ip_address(host))
        assert is_bound(node_id, host)


@given(IDS, IDS)
def test_shared_bits_count_the_common_prefix(a, b):
    bits = [f"{int.from_bytes(x, 'big'):0160b}" for x in (a, b)]
    common = next((i for i in range(160) if bits[0][i] != bits[1][i]), 160)
    assert shared_bits(int.from_bytes(a, "big"), int.from_bytes(b, "big")) == common
