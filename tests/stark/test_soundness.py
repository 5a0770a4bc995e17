"""Proven bits against published figures, and options that keep their word."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ConfigError
from axon.stark import (
    COMPACT_100,
    COMPACT_128,
    OFFCHAIN_100,
    OFFCHAIN_128,
    ONCHAIN_100,
    ONCHAIN_128,
    Options,
    named,
    soundness,
)
from axon.stark.examples.fibonacci import fibonacci_air
from axon.stark.soundness import Shape
from tests.stark.cases import TINY, everything, rescue

REFERENCE = Shape(18, 4, 41, 20, (3, 3, 3, 3, 3), 24 + 24 + 4, 32, 4, 24 << 18, 32)


@pytest.mark.parametrize(
    ("bits", "log_blowup", "queries"), [(100, 4, 41), (100, 5, 33), (128, 3, 73), (128, 4, 55), (128, 5, 44)]
)
def test_query_counts_are_the_published_ones(bits: int, log_blowup: int, queries: int) -> None:
    # 2^18 rows, 24 columns, 20 bits of grinding, cubic extension, Johnson regime
    shape = replace(REFERENCE, log_blowup=log_blowup)
    assert soundness.query_count(shape, bits) == queries
    assert soundness.johnson_bits(replace(shape, queries=queries)) >= bits
    assert soundness.johnson_bits(replace(shape, queries=queries - 1)) < bits


def test_unique_decoding_gives_half_a_bit_a_query_and_more() -> None:
    # ethSTARK's (1 + rate)/2 a query: blowup 16 is 0.9125 bits
    shape = replace(REFERENCE, queries=100, grinding_bits=0)
    assert soundness.unique_bits(shape) == pytest.approx(91.25, abs=0.02)


def test_the_quadratic_extension_would_not_reach_128_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = replace(REFERENCE, log_blowup=5, queries=60)
    assert soundness.johnson_bits(shape) >= 128
    monkeypatch.setattr(soundness, "_LOG_FIELD", 128.0)
    assert soundness.johnson_bits.__wrapped__(shape) < 100


def test_the_legacy_figure_is_larger_and_named_so() -> None:
    assert soundness.conjectured_bits(replace(REFERENCE, queries=27)) == 128
    assert soundness.johnson_bits(replace(REFERENCE, queries=27)) < 75
    assert "refuted" in (soundness.conjectured_bits.__doc__ or "")


@pytest.mark.parametrize(
    "options", [OFFCHAIN_100, OFFCHAIN_128, ONCHAIN_100, ONCHAIN_128, COMPACT_100, COMPACT_128]
)
def test_named_sets_prove_what_they_claim_and_would_not_with_less(options: Options) -> None:
    assert named(options.name) is options
    assert options.security_bits() >= options.claimed_bits
    assert options.regime == "johnson"
    for change in (
        {"queries": options.queries - 4},
        {"log_blowup": options.log_blowup - 1},
        {"claimed_bits": 129},
    ):
        with pytest.raises(ConfigError, match="proven are"):
            replace(options, **change)
    with pytest.raises(ConfigError, match="proven are"):
        replace(options, regime="unique")


def test_digests_below_the_claim_are_refused() -> None:
    with pytest.raises(ConfigError, match="proven are 124"):
        replace(ONCHAIN_128, digest_bytes=31)


def test_unknown_names_and_regimes_are_refused() -> None:
    for wrong in (lambda: named("fast"), lambda: replace(TINY, regime="capacity")):
        with pytest.raises(ConfigError):
            wrong()
    for wrong in (
        lambda: soundness.security(REFERENCE, "capacity"),
        lambda: soundness.rounds(REFERENCE, "best"),
    ):
        with pytest.raises(ValueError, match="regime"):
            wrong()


def test_an_air_beyond_the_limits_is_refused() -> None:
    air = everything()[0]
    shape = TINY.shape(air)
    exact = replace(
        TINY,
        max_log_rows=shape.log_rows,
        max_functions=shape.functions,
        max_constraints=shape.constraints,
        max_degree=shape.degree,
        max_lookups=air.lookup_terms,
    )
    exact.check(air)
    for limit in ("max_log_rows", "max_functions", "max_constraints", "max_degree", "max_lookups"):
        with pytest.raises(ConfigError, match="at most"):
            replace(exact, **{limit: getattr(exact, limit) - 1}).check(air)
    steep = replace(TINY, log_blowup=1)
    with pytest.raises(ConfigError, match="quotient blocks"):
        steep.check(rescue()[0])
    with pytest.raises(ConfigError, match="must be random"):
        OFFCHAIN_128.check(fibonacci_air(6))


def test_the_report_names_every_round_and_its_minimum_is_the_figure() -> None:
    air = everything()[0]
    report = OFFCHAIN_100.security_report(air)
    assert {"ALI", "DEEP", "batching", "queries", "hashing", "lookups", "fold 0"} <= set(report)
    assert min(report.values()) == OFFCHAIN_100.security_bits(air)


def test_custom_options_take_the_fewest_queries() -> None:
    made = Options.custom(100, 4, max_log_rows=18, max_functions=52)
    assert made.queries == 41
    with pytest.raises(ConfigError, match="no number of queries"):
        Options.custom(160, 4)


@given(
    st.integers(6, 20),
    st.integers(1, 8),
    st.integers(1, 100),
    st.integers(0, 30),
    st.sampled_from(["johnson", "unique"]),
)
def test_more_queries_or_work_never_prove_less(
    rows: int, blowup: int, queries: int, work: int, regime: str
) -> None:
    shape = Shape(rows, blowup, queries, work, (3,) * (rows // 3), 40, 30, 4, 10 << rows, 32)
    bits = soundness.security(shape, regime)
    for more in (replace(shape, queries=queries + 1), replace(shape, grinding_bits=work + 1)):
        assert soundness.security(more, regime) >= bits
    for less in (replace(shape, functions=4000), replace(shape, constraints=9999), replace(shape, degree=16)):
        assert soundness.security(less, regime) <= bits


def test_the_documented_table_is_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "proof-system.md").read_text()
    sets = (ONCHAIN_100, ONCHAIN_128, COMPACT_100, COMPACT_128, OFFCHAIN_100, OFFCHAIN_128)
    for o in sets:
        bits = f"{int(o.security_bits() * 10) / 10:g}"
        row = f"`{o.name.upper().replace('-', '_')}` | {1 << o.log_blowup} | {o.queries} | {o.grinding_bits} "
        assert f"| {row}| 2^{o.max_log_rows} | {bits} |" in text
