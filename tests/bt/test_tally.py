"""The two sides of a ledger: what counts, and what is refused with which code (HOSTILE 21)."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.tally import MAX_ACK_BYTES, START_CREDIT, Given, SentBlocks, Taken
from axon.errors import ReceiptError
from axon.ids import Account, Epoch, InfoHash, NodeKey, PieceIndex
from axon.keys import NodeSecret
from axon.receipts import BLOCK_SIZE, LedgerId, PieceAck, Receipt, Reject, Scope

DOWNLOADER, UPLOADER = NodeSecret(b"\x01" * 32), NodeSecret(b"\x02" * 32)
SCOPE = Scope(1, Account(b"\x11" * 20), InfoHash(b"\x22" * 20), Epoch(3))
LEDGER = LedgerId(SCOPE, DOWNLOADER.public, UPLOADER.public)
PIECES, BLOCKS = 2000, 8
ALL = (1 << BLOCKS) - 1

Signed = tuple[Receipt, list[PieceAck]]


def sides(*, resumed: bool = False) -> tuple[Given, Taken]:
    return Given(LEDGER), Taken(LEDGER, SentBlocks(), PIECES, lambda index: BLOCKS, resumed=resumed)


def bits(blocks: Iterable[int]) -> int:
    return sum(1 << block for block in blocks)


def sign(given: Given, pieces: dict[int, int]) -> Signed:
    written = given.acknowledge(pieces, 1_700_000_000)
    assert written is not None
    return written[0].signed(DOWNLOADER), written[1]


def exchange(given: Given, taken: Taken, index: int, blocks: int = BLOCKS) -> Signed:
    taken.sent.add(index, 0, blocks * BLOCK_SIZE)
    receipt, acks = sign(given, {index: (1 << blocks) - 1})
    assert taken.judge(receipt, acks)
    taken.commit(acks)
    return receipt, acks


def refusal(taken: Taken, receipt: Receipt, acks: list[PieceAck]) -> int:
    before = taken.blocks, taken.last, taken.sent.owed
    with pytest.raises(ReceiptError) as caught:
        taken.judge(receipt, acks)
    assert (taken.blocks, taken.last, taken.sent.owed) == before
    return caught.value.code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"chain_id": 2}, Reject.SCOPE),
        ({"pool": Account(b"\x12" * 20)}, Reject.SCOPE),
        ({"info_hash": InfoHash(b"\x23" * 20)}, Reject.SCOPE),
        ({"epoch": Epoch(4)}, Reject.SCOPE),
        ({"uploader": NodeKey(b"\x09" * 32)}, Reject.PARTY),
        ({"sequence": 1}, Reject.EQUIVOCATION),
        ({"blocks": 1, "sequence": 9}, Reject.EQUIVOCATION),  # a lower count
        ({"blocks": BLOCKS + 1}, Reject.COUNT),  # fewer than the acks make
        ({"root": bytes(32)}, Reject.ROOT),
        ({"piece": PieceIndex(0)}, Reject.ROOT),
    ],
)
def test_changed_receipt_is_refused_with_its_reason(change: dict[str, object], code: Reject) -> None:
    given, taken = sides()
    exchange(given, taken, 0)
    taken.sent.add(1, 0, BLOCKS * BLOCK_SIZE)
    receipt, acks = sign(given, {1: ALL})
    wrong = replace(receipt, **change).signed(DOWNLOADER)  # type: ignore[arg-type]
    assert refusal(taken, wrong, acks) == code
    if code is Reject.EQUIVOCATION:
        assert taken.evidence is not None and taken.evidence.holds()
        assert taken.exhausted and taken.limit == 0
        taken.commit(())  # of the receipt before it, which was on its way to the disk
        assert taken.limit == 0
    else:
        assert taken.judge(receipt, acks)


def test_wrong_signature_is_no_evidence() -> None:
    given, taken = sides()
    receipt, acks = exchange(given, taken, 0)
    forged = replace(receipt, root=bytes(32))  # still with the signature of the true one
    assert refusal(taken, forged, acks) == Reject.SIGNATURE
    assert taken.evidence is None


def test_replayed_receipt_is_refused_and_the_same_one_again_is_not_counted() -> None:
    given, taken = sides()
    first = exchange(given, taken, 0)
    second = exchange(given, taken, 1)
    assert refusal(taken, *first) == Reject.SEQUENCE
    assert not taken.judge(*second)
    assert taken.counted == 2 * BLOCKS


def test_blocks_never_sent_are_refused() -> None:
    given, taken = sides()
    taken.sent.add(0, 0, 2 * BLOCK_SIZE)
    assert refusal(taken, *sign(given, {0: 0b111})) == Reject.COUNT
    given, _ = sides()
    assert taken.judge(*sign(given, {0: 0b11}))


def test_piece_or_block_beyond_the_torrent_is_refused() -> None:
    for piece, block in ((PIECES, 0), (0, BLOCKS)):
        given, taken = sides(resumed=True)
        assert refusal(taken, *sign(given, {piece: 1 << block})) == Reject.SET_RULE


def test_block_acknowledged_in_one_epoch_does_not_count_in_the_next() -> None:
    given, taken = sides()
    exchange(given, taken, 0)
    later = LedgerId(SCOPE._replace(epoch=Epoch(4)), *LEDGER[1:])
    again = Taken(later, taken.sent, PIECES, lambda index: BLOCKS)
    assert refusal(again, *sign(Given(later), {0: 0b1000})) == Reject.COUNT


def test_gap_is_told_from_a_lie() -> None:
    given, taken = sides()
    for index in (0, 1):
        taken.sent.add(index, 0, BLOCKS * BLOCK_SIZE)
    lost = sign(given, {0: ALL})
    second = sign(given, {1: ALL})
    assert not taken.judge(*second)
    assert taken.judge(*lost)
    assert taken.judge(*second)


def test_uploader_that_was_killed_believes_one_credit_and_no_more() -> None:
    given, taken = sides(resumed=True)
    pieces = dict.fromkeys(range(1025), ALL)
    assert refusal(taken, *sign(given, pieces)) == Reject.COUNT  # 8200 blocks, 8192 are believed
    given, _ = sides()
    assert taken.judge(*sign(given, {0: ALL}))


def test_credit_starts_small_and_grows_with_what_was_paid_up_to_128_mib() -> None:
    _, taken = sides()
    assert taken.limit == START_CREDIT == 64
    limits = [64]
    for index in range(9000):
        taken.commit([PieceAck(PieceIndex(index), ALL)])
        limits.append(taken.limit)
    paid = {blocks: limits[blocks // BLOCKS] - blocks // 50 for blocks in range(0, 72_000, BLOCKS)}
    assert [paid[blocks] for blocks in (8, 64, 1008, 1016, 1024, 71_992)] == [
        *(128, 576, 8128, 8192, 8192, 8192)
    ]


def test_who_was_here_before_begins_with_the_credit_it_had() -> None:
    acks = [PieceAck(PieceIndex(index), ALL) for index in range(60)]
    _, stayed = sides()
    stayed.commit(acks)
    back = Taken(LEDGER, SentBlocks(), 10_000, lambda index: BLOCKS, acks=acks)
    assert back.limit == stayed.limit == 64 + 8 * 480 + 9


@given(st.lists(st.integers(1, BLOCKS), min_size=1, max_size=400), st.booleans())
def test_credit_is_bounded_by_what_was_paid(paid: list[int], resumed: bool) -> None:
    """By what was paid, and a stranger's credit: running away earns no more than being new."""
    _, taken = sides(resumed=resumed)
    total, before = 0, taken.limit
    for index, blocks in enumerate(paid):
        taken.commit([PieceAck.of(index, range(blocks))])
        total += blocks
        assert before <= taken.limit
        assert taken.limit <= min(START_CREDIT + 8 * total, 8192) + total // 50
        before = taken.limit


def test_credit_is_never_less_than_two_pieces() -> None:
    taken = Taken(LEDGER, SentBlocks(), 4, lambda index: 1024)
    assert taken.limit == 2048


def test_the_bound_is_never_less_than_four_pieces() -> None:
    taken = Taken(LEDGER, SentBlocks(), 4, lambda index: 4096)  # 64 MiB
    taken.commit([PieceAck(PieceIndex(0), (1 << 4096) - 1)])
    assert taken.limit == 4 * 4096 + 4096 // 50


def test_who_was_killed_believes_more_of_one_that_paid_for_more() -> None:
    given, _ = sides()
    paid = dict.fromkeys(range(900), ALL)  # 7200 blocks, so 144 more
    receipt, acks = sign(given, paid)
    for blocks, right in ((8336, True), (8344, False)):  # 8192 + 144 are believed
        taken = Taken(LEDGER, SentBlocks(), 3000, lambda index: BLOCKS, last=receipt, acks=acks, resumed=True)
        follower = Given(LEDGER, last=receipt, acks=acks)
        more = sign(follower, dict.fromkeys(range(900, 900 + blocks // BLOCKS), ALL))
        if right:
            assert taken.judge(*more)
        else:
            assert refusal(taken, *more) == Reject.COUNT


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sets(st.integers(0, BLOCKS - 1), min_size=1)), max_size=30),
    st.randoms(use_true_random=False),
)
def test_no_block_counts_twice_and_none_that_was_not_sent(
    verified: list[tuple[int, set[int]]], rng: object
) -> None:
    given, taken = sides()
    sent: set[tuple[int, int]] = set()
    for index, blocks in verified:
        for block in blocks:
            taken.sent.add(index, block * BLOCK_SIZE)
            sent.add((index, block))
        written = given.acknowledge({index: bits(blocks)}, 0)
        if written is not None:
            taken.judge(written[0].signed(DOWNLOADER), written[1])
            taken.commit(written[1])
    assert taken.counted == given.blocks == taken.blocks <= len(sent)
    assert taken.sent.owed == sum(len(blocks) for _, blocks in verified) - taken.counted


def test_large_sets_are_split_over_receipts() -> None:
    given = Given(LEDGER)
    pieces = dict.fromkeys(range(5), 1 << 65535)  # 8 KiB of bitmap each
    sizes = []
    while pieces:
        _, acks = sign(given, pieces)
        sizes.append(sum(len(ack.serialize()) for ack in acks))
    assert len(sizes) == 5
    assert max(sizes) <= MAX_ACK_BYTES


def test_given_that_does_not_fit_its_log_signs_nothing() -> None:
    given = Given(LEDGER)
    last, acks = sign(given, {0: 0b10})
    assert Given(LEDGER, last, acks).usable
    assert not Given(LEDGER, last, []).usable
    assert not Given(LEDGER, last, [PieceAck.of(0, [2])]).usable


def test_runs_count_every_block_they_touch() -> None:
    sent = SentBlocks()
    sent.add(5, BLOCK_SIZE, 3 * BLOCK_SIZE)
    sent.add(5, 6 * BLOCK_SIZE, 1)
    assert (sent.masks, sent.owed) == ({5: 0b1001110}, 4)


def test_unpaid_blocks_are_written_off_slowly() -> None:
    sent = SentBlocks()
    sent.forgive(100.0)
    sent.add(0, 0, 4 * BLOCK_SIZE)
    sent.forgive(114.0)
    assert sent.owed == 4
    sent.forgive(131.0)
    assert sent.owed == 2
    sent.forgive(1e6)
    assert sent.owed == 0


def test_what_went_out_before_the_first_look_at_the_clock_is_not_written_off() -> None:
    sent = SentBlocks()
    sent.add(0, 0, 3 * BLOCK_SIZE)
    sent.forgive(1e6)
    assert sent.owed == 3
    sent.forgive(1e6 + 16)
    assert sent.owed == 2
