"""The examples' own facts; that they prove and verify is test_verifier.py's."""

import pytest

from axon.stark import OFFCHAIN_100, ONCHAIN_100, prove, verify
from axon.stark.examples.fibonacci import fibonacci_air, fibonacci_trace
from axon.stark.examples.rangesum import rangesum_air, rangesum_trace
from axon.stark.examples.rescue import permute, rescue_air, rescue_chain, rescue_trace, round_constants
from tests.stark.cases import TINY


def test_rescue_prime_optimized_vectors() -> None:
    # eprint 2022/1577, section 3.1: hashes of [0..3] (padded) and of [0..7]
    assert permute([0] * 4 + list(range(8)))[4:8] == [
        2242391899857912644,
        12689382052053305418,
        235236990017815546,
        5046143039268215739,
    ]
    padded = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]  # capacity flag, then [0] and the padding one
    assert permute(padded)[4:8] == [
        1502364727743950833,
        5880949717274681448,
        162790463902224431,
        6901340476773664264,
    ]
    assert len(round_constants()) == 14


def test_a_chain_is_its_links() -> None:
    assert rescue_chain([1, 2, 3, 4], 2) == rescue_chain(rescue_chain([1, 2, 3, 4], 1), 1)


def test_traces_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="rows"):
        rescue_trace(rescue_air(6, 7), TINY, [1, 2, 3, 4], 7)
    air = rangesum_air(9)
    with pytest.raises(ValueError, match="active rows"):
        rangesum_trace(air, TINY, [1] * 512)


def test_a_table_split_in_two_fits_where_one_does_not() -> None:
    from axon.errors import ConfigError

    for columns, fits in ((1, False), (2, True)):
        air = rangesum_air(8, columns)  # 256 rows, 12 of them random: a table of 256 has no room
        trace, public = rangesum_trace(air, TINY, [9, 65535, 300], [1])
        if fits:
            verify(air, public, prove(air, trace, public, TINY), TINY)
        else:
            with pytest.raises(ConfigError, match="split it further"):
                prove(air, trace, public, TINY)


@pytest.mark.parametrize("options", [OFFCHAIN_100, ONCHAIN_100])
def test_named_sets_prove_and_verify(options) -> None:  # type: ignore[no-untyped-def]
    air = fibonacci_air(9)
    trace, public = fibonacci_trace(air, options)
    proof = prove(air, trace, public, options)
    verify(air, public, proof, options)
    assert options.security_bits(air) >= 100
