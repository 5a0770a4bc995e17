"""The request window against a simulated route."""

import pytest

from axon.peer.window import Rate, Window


def converge(rate, delay, limit=1024, seconds=20):
    """A peer that delivers `rate` bytes/s at most after `delay` seconds; the window in the end."""
    window = Window()
    window.limit = limit
    for _ in range(int(seconds / 0.5)):
        possible = min(rate, window.size * 16384 / max(delay, 1e-3))
        window.arrived(int(possible * 0.5 / 16384))
        window.look(possible, delay)
    return window.size


@pytest.mark.parametrize(("rate", "delay"), [(1e5, 0.05), (1e6, 0.1), (1e7, 0.2), (5e6, 1.0), (1e5, 2.0)])
def test_it_grows_to_keep_the_route_full(rate, delay):
    assert converge(rate, delay) * 16384 >= rate * delay


def test_it_keeps_to_what_the_peer_queues_and_to_what_is_sane():
    assert converge(1e10, 0.5, limit=250) == 250
    assert converge(1e10, 0.5) == 1024
    assert converge(1.0, 0.0) >= 4


def test_a_snub_starts_it_again():
    window = Window()
    window.size, window.starting = 500, False
    window.snubbed()
    assert window.size == 4
    assert window.starting


def test_a_rate_forgets_over_its_span():
    rate = Rate(0.0, 5.0)
    total = 0
    for tick in range(1, 41):
        total += 500
        rate.look(total, tick * 0.5)
    assert rate.value == pytest.approx(1000, rel=0.05)
    for tick in range(41, 81):
        rate.look(total, tick * 0.5)
    assert rate.value < 30
    rate.look(total, 1.0)  # a clock that steps back changes nothing
    assert rate.value < 30
