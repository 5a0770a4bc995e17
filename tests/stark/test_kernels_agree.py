"""One proof, byte for byte, on one thread or two, with eight lanes or one."""

import hashlib
import os
import subprocess
import sys

import pytest

from axon.stark import cpu
from tests.stark.cases import CASES, honest

SCRIPT = """
import hashlib
from tests.stark.cases import CASES, honest
print(*(hashlib.sha256(honest(CASES[name]()).data).hexdigest() for name in sorted(CASES)))
"""


def digests() -> list[str]:
    return [hashlib.sha256(honest(CASES[name]()).data).hexdigest() for name in sorted(CASES)]


def test_threads_do_not_change_a_proof() -> None:
    before = cpu.threads()
    try:
        cpu.set_threads(1)
        one = digests()
        cpu.set_threads(2)
        assert digests() == one
    finally:
        cpu.set_threads(before)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_scalar_fallback_makes_the_same_proofs() -> None:
    environment = {**os.environ, "AXON_NO_SIMD": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == digests()
