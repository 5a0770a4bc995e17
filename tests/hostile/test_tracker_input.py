"""HOSTILE 22-24 and 21: what trackers are asked and answer, and receipts; what fuzzing and reading found."""

import json
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.inclusion import decode_answer
from axon.bt.receipt_ext import ReceiptChannel
from axon.bt.tracker_http_server import decode_announce_query
from axon.errors import ConfigError, RemoteProtocolError, TrackerError
from axon.ids import ZERO_ACCOUNT, Epoch, InfoHash
from axon.keys import NodeSecret
from axon.receipts import Scope
from axon.rewards.pools import PoolRules
from axon.safejson import MAX_DEPTH, loads
from fuzz.target import check

QUERY = b"info_hash=" + b"%41" * 20 + b"&peer_id=" + b"b" * 20 + b"&port=6881"


@pytest.mark.parametrize("name", [b"ipv4", b"ipv6"])
@pytest.mark.parametrize("port", [b"0" * 5000 + b"7", b"9" * 5000, b"99999", b"0", b"-1", b"7a"])
def test_an_address_with_an_endless_port_is_no_address(name: bytes, port: bytes) -> None:
    """Python refuses to read 5000 digits with a ValueError, which ended the tracker."""
    host = b"1.2.3.4" if name == b"ipv4" else b"%5B2001%3A%3A1%5D"
    asked = decode_announce_query(QUERY + b"&" + name + b"=" + host + b":" + port)
    assert asked.ipv4 is None and asked.ipv6 is None


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"results":[],"inclusion":{"tracker":"","root":"","count":1e999,"timestamp":0,"signature":""}}',
        b'{"results":[],"inclusion":{"tracker":"","root":"","count":0,"timestamp":NaN,"signature":""}}',
        b'{"results":[],"inclusion":[]}',
        b'{"results":[{"status":"stored","code":77}],"inclusion":{}}',
        b'{"results":7}',
        b"null",
        b"\xff",
        b"9" * 5000,
    ],
)
def test_a_trackers_json_may_be_anything(body: bytes) -> None:
    with pytest.raises(TrackerError):
        decode_answer(body, bytes(236))


@pytest.mark.parametrize("number", [float("inf"), float("nan"), -1, 1 << 64, "x", None, [], {}])
def test_pool_rules_with_impossible_numbers_are_refused(number: object) -> None:
    row = {"chain_id": number, "pool": "0x" + "00" * 20, "info_hash": "00" * 20, "blocks": 1, "start": 0}
    row |= {"epoch_length": 1, "c": 1, "c_e": 1, "lambda": 1, "weights": [], "members": [], "rules_hash": ""}
    with pytest.raises(ConfigError):
        PoolRules.from_json(row)


def channel() -> ReceiptChannel:
    """One whose peer has proved its key."""
    scope = Scope(1, ZERO_ACCOUNT, InfoHash(bytes(20)), Epoch(0))
    made, peer = (ReceiptChannel(NodeSecret(bytes([k]) * 32), scope, bytes([k]) * 32) for k in (1, 2))
    for _ in range(2):
        for payload in made.to_send():
            peer.receive(payload)
        for payload in peer.to_send():
            made.receive(payload)
    assert made.peer is not None
    return made


def test_receipts_that_wait_hold_bounded_memory() -> None:
    """A bit on the wire becomes a number in a set: 64 receipts of 32 KiB were more than a gigabyte."""
    ack = struct.pack(">IH", 1, 8192) + b"\xfe" * 8191 + b"\x01"  # not the short way of writing it
    receipt = struct.pack(">Q20s20sI32s32sIQI32sQ64s", 1, b"", b"", 0, b"", b"", 0, 5, 1, b"", 0, b"")
    made = channel()
    with pytest.raises(RemoteProtocolError, match="wait"):
        for _ in range(64):
            made.receive(b"\3" + receipt + 3 * ack)
    assert made.queued <= 1
    made = channel()
    small = struct.pack(">IH", 1, 64) + b"\xff" * 64  # 512 blocks: twice the largest credit
    for _ in range(64):
        made.receive(b"\3" + receipt + small)
    with pytest.raises(RemoteProtocolError, match="64 receipts wait"):
        made.receive(b"\3" + receipt + small)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('[]{}"\\\n,é')),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    ),
    st.booleans(),
)
def test_guarded_json_reads_what_json_reads(value: object, ascii_only: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 65536,
        b"[{" * 32768,
        b'[{"":' * 13000,
        b"[" * 30000 + b"]" * 30000,
        b'"' * 65536,
        b"\\" * 65536,
        b'["]' * 20000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"]",
        b"",
        b"\xff",
    ],
)
def test_json_that_is_nested_deep_or_malformed_is_a_value_error(data: bytes) -> None:
    def run(data: bytes) -> None:
        with pytest.raises(ValueError):
            loads(data)

    check(run, data)


def test_the_bls_library_leaves_the_recursion_limit_alone() -> None:
    """It raises the limit to 100,000: then deep JSON ended the tracker with a segmentation fault."""
    code = "import sys, axon.bls, axon.rewards.attestation as a; assert sys.getrecursionlimit() == 1000"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
