"""The estimate beside what a proof really took, and the limits it is held against."""

import subprocess
import sys
from pathlib import Path

import pytest

from axon.stark import OFFCHAIN_100, memory
from axon.stark.examples.fibonacci import fibonacci_air

# The high-water mark of this process alone: ru_maxrss begins with that of the process which forked it.
MEASURE = """
from pathlib import Path
from axon.stark import OFFCHAIN_100, prove
from axon.stark.examples.fibonacci import fibonacci_air, fibonacci_trace
for log_rows in (8, 17):
    air = fibonacci_air(log_rows)
    prove(air, *fibonacci_trace(air, OFFCHAIN_100), OFFCHAIN_100)
    status = Path("/proc/self/status").read_text()
    print(1024 * int(status.partition("VmHWM:")[2].split()[0]))
"""


@pytest.mark.slow
def test_the_estimate_is_near_the_measured_peak() -> None:
    for _ in range(2):  # compiling, in the first process of a fresh checkout, has a peak of its own
        done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    small, large = (int(line) for line in done.stdout.split())
    grown = memory.estimate(fibonacci_air(17), OFFCHAIN_100) - memory.estimate(fibonacci_air(8), OFFCHAIN_100)
    assert 0.6 * (large - small) < grown < 2.5 * (large - small)


def test_what_is_available_respects_the_control_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers(most: int | None, used: int | None) -> None:
        monkeypatch.setattr(memory, "_number", lambda path: most if path.name == "memory.max" else used)

    monkeypatch.setattr(memory, "kept", lambda: 7)
    numbers(None, 5)
    free = memory._available()
    assert free > 1 << 20
    numbers(1000, 400)
    assert memory._available() == 607
    numbers(1000, 4000)
    assert memory._available() == 7


def test_control_group_files_without_a_number_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("123\n")
    assert memory._number(tmp_path / "memory.max") is None
    assert memory._number(tmp_path / "memory.current") == 123
    assert memory._number(tmp_path / "absent") is None
