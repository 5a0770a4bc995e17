"""The `axon` door."""

import subprocess
import sys

import pytest

from axon.__main__ import main


def test_help_lists_the_programs_and_exits_0(capsys):
    assert main(["--help"]) == 0
    assert "peer" in capsys.readouterr().out


def test_an_unknown_program_exits_2(capsys):
    assert main(["nonsense"]) == 2
    assert "no program 'nonsense'" in capsys.readouterr().err


def test_arguments_reach_the_program():
    with pytest.raises(SystemExit) as stop:
        main(["peer", "--help"])
    assert stop.value.code == 0


@pytest.mark.parametrize("arguments", [["axon"], ["axon.peer"]])
def test_help_loads_neither_trio_nor_numba(arguments):
    code = (
        "import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('{arguments[0]}', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('trio', 'numba', 'numpy', 'rich', 'ssl') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines()[-1] == "[]"
