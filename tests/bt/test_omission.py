"""A tracker that signed for a receipt and leaves it out is caught; one that does not is never accused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.inclusion import Inclusion, Verdict, encode_answer
from axon.bt.omission import omitted, promised
from axon.errors import TrackerError
from axon.keys import NodeSecret
from axon.receipts import Receipt, Reject
from tests.rewards.test_collect import ALICE, BOB, CAROL, DAVE, receipt

TRACKER = NodeSecret(b"\x07" * 32)
SENT = [receipt(ALICE, BOB.public, 5), receipt(CAROL, BOB.public, 6), receipt(DAVE, BOB.public, 7)]
BODY = b"".join(r.serialize() for r in SENT)


def answer(*accepted: bool) -> bytes:
    verdicts = [Verdict("stored") if ok else Verdict("rejected", Reject.SET_RULE) for ok in accepted]
    held = [r.serialize() for r, ok in zip(SENT, accepted) if ok]
    return encode_answer(verdicts, Inclusion.of(TRACKER, held, 1))


def test_a_promise_is_what_the_tracker_signed_for_and_no_more() -> None:
    assert promised(BODY, answer(True, False, True)) == (TRACKER.public, [SENT[0], SENT[2]])


def test_a_promise_that_is_not_signed_is_none() -> None:
    forged = answer(True, False, True).replace(b'"rejected"', b'"stored"', 1)
    with pytest.raises(TrackerError):
        promised(BODY, forged)


@given(st.sets(st.integers(0, 2)))
def test_exactly_what_is_left_out_is_found(kept: set[int]) -> None:
    handed = [SENT[k].serialize() for k in kept]
    assert omitted(SENT, handed) == [SENT[k] for k in range(3) if k not in kept]


def test_a_later_receipt_stands_for_an_earlier_one() -> None:
    later = receipt(ALICE, BOB.public, 9, 2)
    assert omitted(SENT[:1], [later.serialize()]) == []
    assert omitted([later], [SENT[0].serialize()]) == [later]


def test_a_forged_successor_does_not() -> None:
    forged = Receipt.parse(receipt(ALICE, BOB.public, 9, 2).body() + bytes(64))
    assert omitted(SENT[:1], [forged.serialize(), b"junk"]) == SENT[:1]


def test_one_who_contradicts_himself_is_not_missed() -> None:
    evidence = [receipt(ALICE, CAROL.public, blocks).serialize() for blocks in (5, 6)]
    assert omitted(SENT[:1], evidence) == []
