"""Kernels come from disk the second time, and never stale or of the wrong width."""

import os
import subprocess
import sys
from pathlib import Path

import axon

ROOT = Path(axon.__file__).parent.parent

PROGRAM = """
import numpy as np
from axon.stark import field, jit
from axon.stark.lanes import LANES, load8, mul8, store8
loop = "    for i in range(0, a.size, LANES):\\n"
source = "def run(a):\\n" + loop + "        store8(a, i, mul8(load8(a, i), load8(a, i)))\\n"
run = jit.kernel_from_source(source, "run", dict(LANES=LANES, load8=load8, mul8=mul8, store8=store8))
a = np.full(16, 3, np.uint64)
run(a)
field.mul(a, a)
assert (a == 9).all()
print(LANES, *(sum(f.stats.cache_hits.values()) for f in (run, field._mul)))
"""


def _run(cache: Path | None, **environment: str) -> list[int]:
    env = {**os.environ, **environment}
    env.pop("NUMBA_CACHE_DIR", None)
    if cache is not None:
        env["NUMBA_CACHE_DIR"] = str(cache)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [int(x) for x in ran.stdout.split()]


def test_a_second_process_compiles_nothing_and_widths_do_not_mix(tmp_path: Path) -> None:
    lanes, *hits = _run(tmp_path)
    assert hits == [0, 0]
    assert _run(tmp_path) == [lanes, 1, 1]
    assert _run(tmp_path, AXON_NO_SIMD="1") == [1, *([0, 0] if lanes == 8 else [1, 1])]


def test_a_checkout_where_nothing_can_be_written_still_works(tmp_path: Path) -> None:
    program = (
        "from axon import numbacache\n"
        "for kind in numbacache._CacheImpl._locator_classes:\n"
        "    kind.from_function = classmethod(lambda *_: None)\n"
        "import numpy as np\n"
        "from axon.stark import field\n"
        "assert field.mul(np.full(9, 3, np.uint64), np.full(9, 5, np.uint64)).tolist() == [15] * 9\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=120)
