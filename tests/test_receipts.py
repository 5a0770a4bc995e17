"""Receipts: bytes, signatures, sets, bindings, equivocation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ReceiptError
from axon.ids import Account, Epoch, InfoHash, PieceIndex
from axon.keys import NodeSecret
from axon.merkle import HistoryTree
from axon.receipts import (
    RECEIPT_SIZE,
    AckedBlocks,
    Equivocation,
    PieceAck,
    Receipt,
    Reject,
    check_binding,
    conflict,
    sign_binding,
)

DOWNLOADER = NodeSecret(bytes(31) + b"\x01")
UPLOADER = NodeSecret(bytes(31) + b"\x02")


def make(sequence: int = 1, blocks: int = 64, **changes: object) -> Receipt:
    fields: dict[str, object] = {
        "chain_id": 1,
        "pool": Account(b"\x11" * 20),
        "info_hash": InfoHash(b"\x22" * 20),
        "epoch": Epoch(3),
        "downloader": DOWNLOADER.public,
        "uploader": UPLOADER.public,
        "piece": PieceIndex(7),
        "blocks": blocks,
        "sequence": sequence,
        "root": b"\x33" * 32,
        "timestamp": 1_700_000_000,
    }
    return Receipt(**(fields | changes)).signed(DOWNLOADER)  # type: ignore[arg-type]


def test_receipt_bytes_are_as_documented() -> None:
    raw = make().serialize()
    assert len(raw) == RECEIPT_SIZE == 236
    assert raw[:8] == (1).to_bytes(8, "big")
    assert raw[8:52] == b"\x11" * 20 + b"\x22" * 20 + (3).to_bytes(4, "big")
    assert raw[52:116] == DOWNLOADER.public + UPLOADER.public
    assert raw[116:132] == bytes.fromhex("00000007 0000000000000040 00000001")
    assert raw[132:172] == b"\x33" * 32 + (1_700_000_000).to_bytes(8, "big")


def test_receipt_signature_vector() -> None:
    """Pinned, so that another implementation can check itself against it."""
    assert DOWNLOADER.public.hex() == "4cb5abf6ad79fbf5abbccafcc269d85cd2651ed4b885b5869f241aedf0a5ba29"
    assert make().signature.hex() == (
        "f0083a2337accb62123e59f0283ba819694cf3a8e95aef08051c500b2c77602b"
        "f6723af42e1870be4abc310821953e7f4834c3cf7d583d29244d89da0318dd0d"
    )
    assert make().verifies()


@given(st.integers(0, RECEIPT_SIZE - 1), st.integers(1, 255))
def test_any_changed_byte_breaks_the_receipt(position: int, flip: int) -> None:
    raw = bytearray(make().serialize())
    raw[position] ^= flip
    try:
        assert not Receipt.parse(bytes(raw)).verifies()
    except ReceiptError as error:
        assert error.code == Reject.MALFORMED


@given(st.binary(max_size=300))
def test_parse_refuses_or_round_trips(data: bytes) -> None:
    try:
        assert Receipt.parse(data).serialize() == data
    except ReceiptError as error:
        assert error.code == Reject.MALFORMED


def test_only_the_downloader_can_sign() -> None:
    with pytest.raises(ValueError, match="only the downloader"):
        make().signed(UPLOADER)


def test_later_receipt_supersedes_within_its_ledger_only() -> None:
    assert make(2).supersedes(make(1))
    assert not make(1).supersedes(make(2))
    assert not make(2, epoch=Epoch(4)).supersedes(make(1))


@pytest.mark.parametrize(
    ("a", "b", "contradict"),
    [
        ((1, 64), (1, 64), False),
        ((1, 64), (1, 65), True),  # same sequence, another body
        ((1, 64), (2, 63), True),  # a count cannot fall
        ((1, 64), (2, 64), False),
        ((3, 80), (2, 64), False),
    ],
)
def test_conflict_is_symmetric_and_exact(a: tuple[int, int], b: tuple[int, int], contradict: bool) -> None:
    assert conflict(make(*a), make(*b)) is contradict
    assert conflict(make(*b), make(*a)) is contradict


def test_receipts_of_different_ledgers_never_conflict() -> None:
    assert not conflict(make(1, 64), make(1, 65, info_hash=InfoHash(b"\x23" * 20)))


def test_equivocation_needs_both_signatures() -> None:
    honest, other = make(1, 64), make(1, 65)
    assert Equivocation(honest, other).holds()
    forged = Receipt.parse(other.body() + bytes(64))
    assert not Equivocation(honest, forged).holds()


@pytest.mark.parametrize(
    ("blocks", "raw"),
    [
        (range(1), "00000007 0001 80"),
        (range(8), "00000007 0001 ff"),
        (range(9), "00000007 0002 ff80"),
        ([0, 2, 8], "00000007 0002 a080"),
        ([7], "00000007 0001 01"),
        ([8, 9], "00000007 0002 00c0"),
    ],
)
def test_ack_bytes_are_as_documented(blocks: list[int], raw: str) -> None:
    ack = PieceAck.of(7, blocks)
    assert ack.serialize() == bytes.fromhex(raw)
    assert PieceAck.parse_all(bytes.fromhex(raw)) == [ack]


def acks() -> st.SearchStrategy[PieceAck]:
    return st.builds(
        PieceAck.of,
        st.integers(0, 2**32 - 1),
        st.frozensets(st.integers(0, 300), min_size=1, max_size=40)
        | st.integers(1, 300).map(lambda count: frozenset(range(count))),
    )


@given(st.lists(acks(), max_size=8))
def test_acks_survive_the_wire(items: list[PieceAck]) -> None:
    assert PieceAck.parse_all(b"".join(ack.serialize() for ack in items)) == items


@given(st.binary(max_size=40))
def test_ack_parser_accepts_only_canonical_bytes(data: bytes) -> None:
    try:
        assert b"".join(ack.serialize() for ack in PieceAck.parse_all(data)) == data
    except ReceiptError as error:
        assert error.code == Reject.MALFORMED


@pytest.mark.parametrize(
    "raw",
    [
        "00000007 0000",  # no block
        "00000007 0001 00",
        "00000007 0002 8000",  # a byte more than needed
        "00000007 0002 80",
        "00000007 00",
        "00000007 0001 80 00",
        "00000007 2001 " + "ff" * 0x2001,  # more blocks than a piece has
    ],
)
def test_acks_that_could_be_written_otherwise_are_refused(raw: str) -> None:
    with pytest.raises(ReceiptError) as caught:
        PieceAck.parse_all(bytes.fromhex(raw))
    assert caught.value.code == Reject.MALFORMED


@given(st.lists(acks(), max_size=12, unique_by=lambda ack: ack.piece))
def test_set_counts_each_block_once_and_proves_each_piece(items: list[PieceAck]) -> None:
    held = AckedBlocks(items)
    assert held.blocks == sum(len(ack.blocks) for ack in items)
    for ack in items:
        proved, at, count, path = held.audit(ack.piece)
        assert proved == ack
        assert HistoryTree.includes(held.root(), ack.serialize(), at, count, path)
        with pytest.raises(ReceiptError, match="twice"):
            held.add(ack)


def test_binding_ties_key_to_account_within_one_pool() -> None:
    pool, account = Account(b"\x11" * 20), Account(b"\x44" * 20)
    signature = sign_binding(UPLOADER, 1, pool, account)
    assert check_binding(UPLOADER.public, signature, 1, pool, account)
    assert not check_binding(UPLOADER.public, signature, 2, pool, account)
    assert not check_binding(UPLOADER.public, signature, 1, account, account)
    assert not check_binding(DOWNLOADER.public, signature, 1, pool, account)
    assert not check_binding(UPLOADER.public, signature, 1, pool, Account(b"\x45" * 20))
