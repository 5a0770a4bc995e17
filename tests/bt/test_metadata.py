import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.bencode import encode
from axon.bt.metadata import (
    METADATA_PIECE,
    MetadataDownload,
    MetadataMessage,
    MetadataType,
    MetadataUpload,
    info_hash_check,
)
from axon.errors import RemoteProtocolError

INFO = bytes(i * 7 % 251 for i in range(5 * METADATA_PIECE + 100))
CHECK = info_hash_check(hashlib.sha1(INFO).digest(), hashlib.sha256(INFO).digest())
DATA, REJECT, REQUEST = MetadataType.DATA, MetadataType.REJECT, MetadataType.REQUEST


def answer(request, info=INFO):
    return MetadataUpload(info).answer(request)


@given(st.sampled_from(MetadataType), st.integers(0, 10**6), st.integers(1, 10**6), st.binary(max_size=50))
def test_a_message_survives_the_wire(kind, piece, total, data):
    message = MetadataMessage(kind, piece, total, data) if kind is DATA else MetadataMessage(kind, piece)
    assert MetadataMessage.parse(message.serialize()) == message


def test_the_examples_of_bep_9():
    assert MetadataMessage(REQUEST, 0).serialize() == b"d8:msg_typei0e5:piecei0ee"
    assert MetadataMessage(REJECT, 0).serialize() == b"d8:msg_typei2e5:piecei0ee"
    wire = b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx"
    assert MetadataMessage.parse(wire) == MetadataMessage(DATA, 0, 34256, b"xxxxxxxx")
    assert MetadataMessage.parse(b"d8:msg_typei9e5:piecei0ee") is None  # BEP 9: ignore unknown types


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"le",
        b"d5:piecei0ee",
        b"d8:msg_typei0ee",
        b"d8:msg_typei0e5:piecei-1ee",
        b"d8:msg_typei1e5:piecei0ee",
        b"d8:msg_typei1e5:piecei0e10:total_sizei0ee",
        b"d8:msg_typei1e5:piecei0e10:total_sizei99999999999ee",
        b"d8:msg_typei1e5:piecei0e10:total_sizei20000ee" + bytes(METADATA_PIECE + 1),
    ],
)
def test_a_malformed_message_is_refused(payload):
    with pytest.raises(RemoteProtocolError, match="ut_metadata"):
        MetadataMessage.parse(payload)


@given(st.data())
def test_metadata_arrives_from_any_mixture_of_honest_slow_refusing_and_lying_peers(data):
    """Whatever the others do, one honest peer that stays is enough."""
    kinds = data.draw(
        st.lists(st.sampled_from(["honest", "silent", "refuses", "forges", "other size"]), max_size=6)
    )
    kinds.insert(data.draw(st.integers(0, len(kinds))), "honest")
    download, now = MetadataDownload(CHECK), 0.0
    alive = dict(enumerate(kinds))
    forged = bytes(len(INFO))
    for peer, kind in alive.items():
        download.add(peer, len(INFO) + (kind == "other size"))
    mail = []
    for _ in range(400):
        for peer in list(alive):
            mail += [(peer, request) for request in download.requests(peer, now)]
        if not mail:
            now = download.deadline()
            for peer in download.on_deadline(now):
                del alive[peer]
            continue
        peer, request = mail.pop(data.draw(st.integers(0, len(mail) - 1)))
        kind = alive.get(peer)
        if kind in (None, "silent"):
            continue
        source = {"forges": forged, "other size": forged + b"x", "refuses": None}.get(kind, INFO)
        try:
            done = download.received(peer, answer(request, source))
        except RemoteProtocolError:
            assert kind != "honest"
            del alive[peer]
            continue
        if done is not None:
            assert done == INFO == download.info
            return
    raise AssertionError(f"no metadata from {kinds}")


def test_a_forger_is_named_once_pieces_are_no_longer_mixed():
    download = MetadataDownload(CHECK)
    download.add("good", len(INFO))
    download.add("bad", len(INFO))
    liars = set()
    for _ in range(20):
        for peer in ("good", "bad"):
            for request in download.requests(peer, 0.0):
                try:
                    download.received(peer, answer(request, INFO if peer == "good" else bytes(len(INFO))))
                except RemoteProtocolError as error:
                    assert "another hash" in str(error)
                    liars.add(peer)
    assert liars <= {"bad"} and download.info == INFO


def test_few_requests_are_in_flight_and_nothing_is_asked_twice():
    download = MetadataDownload(CHECK)
    download.add("a", len(INFO))
    download.add("b", len(INFO))
    first, second = download.requests("a", 0.0), download.requests("b", 0.0)
    assert len(first) == 4 and sorted(m.piece for m in first + second) == list(range(6))
    assert download.requests("a", 0.0) == [] and download.requests("c", 0.0) == []
    assert download.deadline() == 30.0
    assert len(download.on_deadline(30.0)) == 2


def test_who_leaves_frees_its_requests():
    download = MetadataDownload(CHECK)
    download.add("a", len(INFO))
    download.add("b", len(INFO))
    asked = {m.piece for m in download.requests("a", 0.0)}
    download.remove("a")
    download.remove("a")
    assert asked <= {m.piece for m in download.requests("b", 0.0)}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (MetadataMessage(DATA, 5, len(INFO), INFO[-100:]), "DATA of piece 5 not asked for"),
        (MetadataMessage(REJECT, 9), "REJECT of piece 9 not asked for"),
        (MetadataMessage(DATA, 0, len(INFO) + 1, bytes(METADATA_PIECE)), "want 16384"),
        (MetadataMessage(DATA, 0, len(INFO), bytes(METADATA_PIECE - 1)), "16383 bytes"),
    ],
)
def test_what_does_not_fit_is_refused_and_its_sender_forgotten(message, error):
    download = MetadataDownload(CHECK)
    download.add("a", len(INFO))
    download.requests("a", 0.0)
    with pytest.raises(RemoteProtocolError, match=error):
        download.received("a", message)
    assert download.requests("a", 99.0) == []


@pytest.mark.parametrize("size", [0, -1, 2**31])
def test_an_absurd_or_changing_size_is_refused(size):
    download = MetadataDownload(CHECK)
    download.add("a", 100)
    download.add("a", 100)
    for peer in ("a", "b"):
        with pytest.raises(RemoteProtocolError, match="size"):
            download.add(peer, size)
    with pytest.raises(RemoteProtocolError, match="size 101, was 100"):
        download.add("a", 101)


def test_memory_is_bounded_whatever_sizes_are_claimed(monkeypatch):
    monkeypatch.setattr("axon.bt.metadata._BUDGET", 20 * METADATA_PIECE)
    download = MetadataDownload(CHECK)
    for peer in range(30):
        download.add(peer, 1_000_000 + peer)
    for _ in range(5):
        for peer in range(30):
            size = 1_000_000 + peer
            for request in download.requests(peer, 0.0):
                download.received(peer, answer(request, bytes(size)))
            assert sum(each.held for each in download._gatherings.values()) <= 24 * METADATA_PIECE


def test_serving_is_bounded():
    upload = MetadataUpload(INFO)
    whole = b"".join(upload.answer(MetadataMessage(REQUEST, i)).data for i in range(6))
    assert whole == INFO
    assert upload.answer(MetadataMessage(REQUEST, 6)) == MetadataMessage(REJECT, 6)
    kinds = [upload.answer(MetadataMessage(REQUEST, 0)).kind for _ in range(40)]
    assert kinds[0] is DATA and kinds[-1] is REJECT
    with pytest.raises(RemoteProtocolError, match="requests for 6 pieces"):
        for _ in range(40):
            upload.answer(MetadataMessage(REQUEST, 0))
    assert MetadataUpload(None).answer(MetadataMessage(REQUEST, 0)).kind is REJECT


def test_the_check_wants_all_hashes_that_the_magnet_names():
    sha1, sha256 = hashlib.sha1(INFO).digest(), hashlib.sha256(INFO).digest()
    assert info_hash_check(sha1, None)(INFO) and info_hash_check(None, sha256)(INFO)
    assert not info_hash_check(sha1, bytes(32))(INFO) and not info_hash_check(bytes(20), sha256)(INFO)


@given(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from([b"msg_type", b"piece", b"total_size"]), st.integers()),
)
def test_any_bytes_are_a_message_or_a_remote_protocol_error(noise, told):
    for payload in (noise, encode({k: v for k, v in told.items() if abs(v) < 2**63}) + noise):
        with suppress(RemoteProtocolError):
            MetadataMessage.parse(payload)
