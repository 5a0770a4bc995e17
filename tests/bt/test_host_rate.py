"""How often a host may do something."""

from hypothesis import given
from hypothesis import strategies as st

from axon.bt.host_rate import HostRate

HOST = bytes((192, 0, 2, 1))


@given(
    st.floats(0.1, 50),
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 2)), max_size=80),
)
def test_no_host_gets_more_than_its_burst_and_what_time_gave_it(rate, burst, steps):
    limit, now, got = HostRate(rate, burst), 0.0, [0, 0, 0]
    for wait, number in steps:
        now += wait
        got[number] += limit.admits(bytes((192, 0, 2, number)), now)
        assert got[number] <= burst + rate * now + 1e-6


def test_a_host_that_waited_may_go_on():
    limit = HostRate(1.0, 2.0)
    assert [limit.admits(HOST, 0.0) for _ in range(3)] == [True, True, False]
    assert limit.admits(HOST, 1.0)
    assert not limit.admits(HOST, 1.5)


def test_all_addresses_of_an_ipv6_net_are_one_host():
    limit = HostRate(0.0, 1.0)
    net = bytes.fromhex("20010db800000001")
    assert limit.admits(net + bytes(8), 0.0)
    assert not limit.admits(net + bytes(7) + b"\1", 0.0)
    assert limit.admits(bytes.fromhex("20010db800000002") + bytes(8), 0.0)


def test_a_cheap_question_costs_less():
    limit = HostRate(0.0, 1.0)
    assert sum(limit.admits(HOST, 0.0, 0.25) for _ in range(9)) == 4


def test_it_remembers_so_many_hosts_and_no_more():
    limit = HostRate(1.0, 1.0)
    for number in range(5000):
        limit.admits(number.to_bytes(4, "big"), 0.0)
    assert len(limit) == 4096
