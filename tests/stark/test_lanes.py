"""The lane vocabulary, used as a generated kernel uses it."""

# mypy: allow-untyped-calls

import os
import subprocess
import sys

import numpy as np
import pytest

from axon.stark import lanes
from axon.stark.field import P
from axon.stark.jit import kernel_from_source
from axon.stark.lane_ir import Lanes, reverse_bits
from tests.stark.kernel_cases import EDGES, random_matrix

NAMESPACE = {name: getattr(lanes, name) for name in lanes.__all__} | {"np": np}

BINARY = """
def run(a, b, out):
    for i in range(0, a.size, LANES):
        store8(out, i, {expression})
"""

NEXT = """
def run(matrix, block, log_n, out):
    for q in range(0, 1 << log_n, LANES):
        store8(out, q, {expression})
"""


def _pairs() -> tuple[np.ndarray, np.ndarray]:
    a, b = (v.reshape(-1) for v in np.meshgrid(*[np.array(EDGES, np.uint64)] * 2))
    tail = random_matrix(2, 135, 3)
    return np.concatenate([a, tail[0]]), np.concatenate([b, tail[1]])


@pytest.mark.parametrize(
    ("expression", "meaning"),
    [
        ("add8(load8(a, i), load8(b, i))", lambda a, b: a + b),
        ("sub8(load8(a, i), load8(b, i))", lambda a, b: a - b),
        ("mul8(load8(a, i), load8(b, i))", lambda a, b: a * b),
        ("neg8(load8(a, i))", lambda a, b: -a),
        ("sqr8(load8(a, i))", lambda a, b: a * a),
        ("canon8(wmul8(wadd8(load8(a, i), load8(b, i)), load8(b, i)))", lambda a, b: (a + b) * b),
        ("canon8(wsub8(wmul8(load8(a, i), load8(a, i)), load8(b, i)))", lambda a, b: a * a - b),
        ("add8(splat8(np.uint64(5)), load8(b, i))", lambda a, b: 5 + b),
    ],
)
def test_expressions_mean_what_they_say(expression, meaning) -> None:  # type: ignore[no-untyped-def]
    a, b = _pairs()
    assert a.size % 8 == 0
    out = np.empty_like(a)
    kernel_from_source(BINARY.format(expression=expression), "run", NAMESPACE)(a, b, out)
    assert [int(x) for x in out] == [meaning(int(x), int(y)) % P for x, y in zip(a, b)]


def test_weak_values_may_be_any_word() -> None:
    """Words from P up stand for themselves modulo P."""
    a = np.array([P, P + 1, 2**64 - 1, 2**64 - 2**32, 0, 1, P - 1, 2**63], np.uint64)
    b = np.array([P - 1, 0, P - 1, 1, P - 1, P - 1, P - 1, P - 1], np.uint64)
    out = np.empty_like(a)
    for name, meaning in (
        ("wadd8", lambda x, y: x + y),
        ("wsub8", lambda x, y: x - y),
        ("wmul8", lambda x, y: x * y),
    ):
        source = BINARY.format(expression=f"canon8({name}(load8(a, i), load8(b, i)))")
        kernel_from_source(source, "run", NAMESPACE)(a, b, out)
        assert [int(x) for x in out] == [meaning(int(x), int(y)) % P for x, y in zip(a, b)]


@pytest.mark.parametrize("log_n", [3, 4, 5, 8])
@pytest.mark.parametrize(
    "expression", ["next8c(matrix, 1, block, q, log_n)", "next8(matrix[1], block, q, log_n)"]
)
def test_the_next_row_of_a_bit_reversed_block(log_n: int, expression: str) -> None:
    n = 1 << log_n
    matrix = random_matrix(2, 3 * n, log_n)
    out = np.empty(n, np.uint64)
    kernel_from_source(NEXT.format(expression=expression), "run", NAMESPACE)(matrix, n, log_n, out)
    for q in range(n):
        successor = reverse_bits((reverse_bits(q, log_n) + 1) % n, log_n)
        assert out[q] == matrix[1, n + successor]


@pytest.mark.parametrize("group", [1, 2, 4, 8, 16])
def test_groups_are_gathered_word_by_word(group: int) -> None:
    source = f"def run(a, scratch):\n    gather_groups(a, 3, scratch, {group})\n"
    a = np.arange(200, dtype=np.uint64)
    scratch = np.empty(group * lanes.LANES, np.uint64)
    kernel_from_source(source, "run", NAMESPACE)(a, scratch)
    want = a[3 : 3 + group * lanes.LANES].reshape(lanes.LANES, group).T.reshape(-1)
    assert (scratch == want).all()


def test_what_a_kernel_cannot_read_is_refused_when_it_is_compiled() -> None:
    source = "def run(a):\n    store8(a, 0, load8(a, 0))\n"
    for wrong in (np.zeros(8, np.float64), np.zeros(16, np.uint64)[::2], np.zeros((2, 8), np.uint64)):
        with pytest.raises(Exception, match="want a C-contiguous 1-d uint64 array"):
            kernel_from_source(source, "run", NAMESPACE)(wrong)


def test_interleaving_undoes_deinterleaving() -> None:
    class Recorder(Lanes):
        """Permutes lists instead of emitting instructions."""

        def __init__(self) -> None:
            self.width = 8

        def permute(self, first, second, order):  # type: ignore[no-untyped-def]
            return [(first + second)[i] for i in order]

    for group in (1, 2, 4, 8, 16):
        stream = [list(range(8 * k, 8 * k + 8)) for k in range(group)]
        vectors = Recorder().deinterleave(stream)
        assert vectors == [[lane * group + j for lane in range(8)] for j in range(group)]
        assert Recorder().interleave(vectors) == stream


@pytest.mark.slow
def test_the_scalar_fallback_passes_the_same_tests() -> None:
    """Every kernel test again, in a process whose lanes are one element wide."""
    if os.environ.get("AXON_NO_SIMD") == "1":
        assert lanes.LANES == 1
        return
    names = ["field", "lanes", "extension", "ntt", "keccak", "commitment", "fold", "deep", "grind"]
    files = [f"tests/stark/test_{name}.py" for name in names]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files],
        env={**os.environ, "AXON_NO_SIMD": "1"},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
