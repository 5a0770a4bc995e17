"""Token buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.peer.ratelimit import Bucket, Limits


@given(
    st.floats(1e3, 1e9),
    st.lists(st.tuples(st.integers(1, 1 << 20), st.floats(0, 0.5)), min_size=1, max_size=50),
)
def test_a_sender_that_waits_as_told_never_exceeds_the_rate_by_more_than_a_burst(rate, steps):
    bucket, now, sent = Bucket(rate), 100.0, 0
    for size, idle in steps:
        now += idle + bucket.wait(now)
        sent_before = sent
        bucket.spend(size, now)
        sent += size
        # what was sent before this transfer is covered by the time since the start and the burst
        assert sent_before <= rate * (now - 100.0) * 1.000001 + rate * 0.25 + 1


@given(st.floats(1e3, 1e9), st.integers(1, 1 << 24))
def test_debt_is_paid_in_the_time_that_the_rate_says(rate, size):
    bucket = Bucket(rate)
    bucket.spend(size, 0.0)
    owed = max(0.0, size - rate * 0.25)
    assert bucket.wait(0.0) == pytest.approx(owed / rate, rel=1e-6, abs=1e-9)
    assert bucket.wait(bucket.wait(0.0) + 1e-6) == pytest.approx(0, abs=1e-6)


def test_no_limit_never_waits_but_counts():
    bucket = Bucket(None)
    bucket.spend(1 << 40, 0.0)
    assert bucket.wait(0.0) == 0
    assert bucket.spent == 1 << 40


def test_the_slowest_of_chained_buckets_decides_and_a_clock_that_steps_back_gives_nothing():
    process, torrent = Bucket(1000.0), Bucket(100_000.0)
    limits = Limits(torrent, process)
    limits.spend(1250, 10.0)
    assert limits.wait(10.0) == pytest.approx(1.0)
    assert limits.wait(5.0) == pytest.approx(1.0)
    assert limits.wait(11.0) == pytest.approx(0.0)
    assert limits.chunk == 16 * 1024
    assert not Limits(Bucket(None)).limited


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_of_nothing_is_refused(rate):
    with pytest.raises(ValueError, match="rate limit"):
        Bucket(rate)
