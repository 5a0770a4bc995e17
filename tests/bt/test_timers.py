import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.timers import Due, Timeouts, Timers
from axon.errors import RemoteProtocolError

TIMEOUTS = Timeouts(handshake=20, keep_alive=110, idle=240, frame=180, request=60, inactive=600)


def timers():
    return Timers(TIMEOUTS, 0)


def at(clock, now, *, waiting=False):
    clock.now = now
    return clock.due(greeting=False, waiting=waiting)


def test_each_limit_is_met_at_its_second_and_not_before():
    clock = timers()
    assert clock.deadline(greeting=True, waiting=False) == 20
    assert clock.deadline(greeting=False, waiting=False) == 110
    assert clock.deadline(greeting=False, waiting=True) == 60
    assert at(clock, 59, waiting=True) == Due()
    assert at(clock, 60, waiting=True) == Due(snubbed=True)
    assert at(clock, 110, waiting=True) == Due(keep_alive=True)
    with pytest.raises(RemoteProtocolError, match="silent for 240 s"):
        at(clock, 240)


def test_an_incomplete_frame_has_its_own_limit():
    clock = timers()
    clock.frame_start = 50
    clock.last_received = 200
    assert at(clock, 229) == Due(keep_alive=True)
    with pytest.raises(RemoteProtocolError, match="frame: incomplete after 180 s"):
        at(clock, 230)


def test_payload_ends_a_snub_and_a_message_ends_inactivity():
    clock = timers()
    clock.last_received = clock.last_sent = 600
    assert at(clock, 600, waiting=True) == Due(snubbed=True, inactive=True)
    assert at(clock, 601, waiting=True) == Due()
    clock.heard()
    assert clock.snubbed and not clock.inactive
    clock.block()
    assert not clock.snubbed
    assert at(clock, 661, waiting=True) == Due(snubbed=True)


@given(
    st.lists(
        st.tuples(st.integers(0, 70), st.sampled_from(["block", "heard", "bytes", "nothing"])), max_size=40
    )
)
def test_after_acting_there_is_always_a_later_deadline(steps):
    clock, now = timers(), 0
    for wait, what in steps:
        now += wait
        if what != "nothing":
            clock.now = clock.last_received = now
            getattr(clock, what, lambda: None)()
        early = now < clock.deadline(greeting=False, waiting=True)
        try:
            due = at(clock, now, waiting=True)
        except RemoteProtocolError:
            assert not early
            return
        assert (due == Due()) == early
        assert clock.deadline(greeting=False, waiting=True) > now
