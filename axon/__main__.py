"""`axon PROGRAM …`: one door to the programs; each is loaded only when it is asked for."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from axon import __version__

__all__ = ["main"]

_PROGRAMS = {
    "peer": ("axon.peer.__main__", "download, seed and make torrents; receipts"),
    "tracker": ("axon.tracker.__main__", "run a tracker that collects receipts and attests to them"),
    "aggregator": ("axon.aggregator.__main__", "turn receipts into shares, prove and settle them"),
    "pool": ("axon.chain.__main__", "open, stake and look at reward pools"),
    "stark": ("axon.stark.__main__", "prove and verify with the example AIRs"),
    "demo": ("axon.demo.__main__", "everything on this machine, in a minute"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one program; return its exit code (2 if there is no such program)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(_usage())
        return 0
    if name == "--version":
        print(f"axon {__version__}")
        return 0
    if name not in _available():
        print(f"axon: no program {name!r}\n{_usage()}", file=sys.stderr)
        return 2
    program = importlib.import_module(_PROGRAMS[name][0])
    return int(program.main(arguments[1:]) or 0)


def _available() -> list[str]:
    return [name for name, (module, _) in _PROGRAMS.items() if _exists(module)]


def _exists(module: str) -> bool:
    # Not find_spec: that would import the parents, and so numba, to print a list of names.
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def _usage() -> str:
    lines = [f"  {name:<12}{_PROGRAMS[name][1]}" for name in _available()]
    return "\n".join(["usage: axon PROGRAM …  (axon PROGRAM --help says more)", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
