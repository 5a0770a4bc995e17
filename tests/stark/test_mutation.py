"""A sample of scripts/mutate_verifier.py; run the script itself for all."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "mutate_verifier.py"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_removed_checks_are_noticed() -> None:
    command = [sys.executable, str(SCRIPT), "--every", "30", "--trust"]  # this run is the unchanged one
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 mutants killed" in done.stdout
