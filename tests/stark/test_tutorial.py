"""docs/stark-tutorial.md, as one program."""

import re
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "stark-tutorial.md"


def test_the_tutorial_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    program = "\n".join(blocks)
    lines = [line for line in program.splitlines() if line.strip()]
    assert 40 <= len(lines) <= 70
    exec(compile(program, str(TUTORIAL), "exec"), {"__name__": "tutorial"})
    printed = capsys.readouterr().out
    assert "fails on row 1" in printed
    assert "queries" in printed
