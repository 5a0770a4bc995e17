"""When a receipt is due on a connection, from the credit that its uploader told."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.receipt_ext import ReceiptChannel
from axon.peer.batch import MOST
from axon.peer.receiptlink import Link
from axon.receipts import BLOCK_SIZE


class Told:
    """As much of a channel as a link asks before it speaks."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


def link(limit: int) -> Link:
    made = Link(cast(ReceiptChannel, Told(limit)), lambda payload: None, lambda: None, lambda why: None)
    made.credited()
    return made


@pytest.mark.parametrize(
    ("limit", "blocks"),
    [
        (0, 32),
        (10, 32),
        (64, 32),
        (65, 32),
        (66, 33),
        (576, 288),
        (6144, 3072),
        (8192, 3072),
        (2**32 - 1, 3072),
    ],
)
def test_half_of_the_credit_is_worth_a_receipt_whatever_the_uploader_tells(limit: int, blocks: int) -> None:
    """A liar's zero or four billion neither makes a receipt a block nor puts receipts off for good."""
    assert link(limit).receipt_blocks == blocks


def test_pieces_wait_together_until_a_receipt_is_due() -> None:
    small = link(512)  # a receipt is worth 256 blocks
    assert small.until_due(0) == 256 * BLOCK_SIZE
    small.pending_blocks = 100
    assert small.until_due(0) == 156 * BLOCK_SIZE
    assert small.until_due(56 * BLOCK_SIZE) == 100 * BLOCK_SIZE
    assert small.until_due(150 * BLOCK_SIZE) == 64 * BLOCK_SIZE  # a quarter, not the six that are left
    assert small.until_due(156 * BLOCK_SIZE) == 256 * BLOCK_SIZE  # that receipt is full, the next begins


def test_a_receipt_that_is_worth_a_batch_cuts_none() -> None:
    large = link(2 * MOST // BLOCK_SIZE)
    large.pending_blocks = large.receipt_blocks - 1
    assert large.until_due(0) == MOST


@given(st.integers(0, 1 << 32), st.integers(0, 10_000), st.integers(0, 1 << 28))
def test_what_waits_is_never_nothing_and_never_more_than_a_batch(
    limit: int, pending: int, storing: int
) -> None:
    some = link(limit)
    some.pending_blocks = pending
    assert 8 * BLOCK_SIZE <= some.until_due(storing) <= MOST
