"""What fuzzing kept: every input that once reached something new must still end as it should.

The targets, and what counts as wrong, are in `fuzz/`; so are the inputs.
"""

import random
import time
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutate import mutate
from fuzz.target import Finding, check
from fuzz.targets import TARGETS

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"


def kept(name: str) -> list[bytes]:
    path = CORPUS / f"{name}.txt"
    return [b64decode(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_ends_as_it_should(name: str) -> None:
    target = TARGETS[name]
    run = target.make()
    for data in [*target.seeds(), *kept(name)]:
        check(run, data)


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_of_good_input_end_as_they_should(name: str) -> None:
    target = TARGETS[name]
    run, seeds = target.make(), target.seeds()

    @given(st.integers(0, 2**64))
    @settings(database=None)
    def mutants(seed: int) -> None:
        rng = random.Random(seed)
        data = mutate(rng.choice(seeds), rng, seeds, target.words)
        check(run, data[: target.max_input])

    mutants()


def test_what_takes_too_long_or_too_much_is_a_finding() -> None:
    def slow(data: bytes) -> None:
        start = time.thread_time()
        while time.thread_time() < start + 1.1:
            pass

    with pytest.raises(Finding, match="CPU"):
        check(slow, b"")
