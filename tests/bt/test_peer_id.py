import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.peer_id import PREFIX, client_name, make_peer_id


@given(st.binary(min_size=12, max_size=40))
def test_our_ids_are_twenty_printable_bytes_and_name_us(entropy):
    peer_id = make_peer_id(entropy)
    assert len(peer_id) == 20 and peer_id.startswith(PREFIX) and peer_id.isascii()
    assert client_name(peer_id) == "Axon 0.1"


def test_an_id_needs_entropy():
    with pytest.raises(ValueError, match="11 random bytes, want 12"):
        make_peer_id(bytes(11))


@pytest.mark.parametrize(
    ("peer_id", "name"),
    [
        (b"-LT20A0-abcdefghijkl", "libtorrent 2.0.10"),
        (b"-TR3000-abcdefghijkl", "Transmission 3.0"),
        (b"-qB4520-abcdefghijkl", "qBittorrent 4.5.2"),
        (b"-lt0D80-abcdefghijkl", "rTorrent 0.13.8"),
        (b"-WW0208-abcdefghijkl", "WebTorrent 0.2.0.8"),
        (b"-ZZ1234-abcdefghijkl", "ZZ 1.2.3.4"),
        (b"A2-1-36-0-abcdefghij", "aria2 1.36.0"),
        (b"M7-10-5--abcdefghijk", "Mainline 7.10.5"),
        (bytes(20), "\N{REPLACEMENT CHARACTER}" * 8),
        (b"", "unknown"),
    ],
)
def test_names_of_common_clients(peer_id, name):
    assert client_name(peer_id) == name


@given(
    st.binary(min_size=20, max_size=20) | st.binary(min_size=12, max_size=12).map(lambda b: b"-\x1b[3m4-" + b)
)
def test_a_name_holds_nothing_that_a_terminal_obeys(peer_id):
    assert all(unicodedata.category(c) not in ("Cc", "Cf") for c in client_name(peer_id))
