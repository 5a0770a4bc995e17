"""Remove each check of the printed verifier contracts in turn and see that a test fails.

    python scripts/mutate_contract.py [--list] [--only TEXT] [--trust]

A mutant lacks one thing in all printed verifiers alike: an `assert`, a `raise`, or a statement
that gathers what a later assert looks at. It is compiled (some 20 s) in a temporary copy, and goes
before the mutants and forgers of `tests/contracts`. Exit code 1 if one survives them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ["tests/contracts/test_verifier_forgers.py", "tests/contracts/test_verifier_mutants.py"]

_ASSERT = re.compile(r'^( +)assert\b(?:[^"]|\n)*?"(verifier: [^"]*)"\n', re.MULTILINE)
_RAISE = re.compile(r'^( +)raise "(verifier: [^"]*)"\n', re.MULTILINE)
_GATHER = re.compile(r"^( +)(\w+(?:\[\w+\])?) \|= .*\n", re.MULTILINE)
_RETURNS = re.compile(r"-> ([^:]+):")


def verifiers() -> dict[str, str]:
    """Name below `contracts/` -> text, of all that is printed."""
    files = sorted((ROOT / "contracts" / "stark").glob("*.vy"))
    texts = {f"stark/{file.stem}": file.read_text("utf-8") for file in files}
    return {name: text for name, text in texts.items() if '"verifier: ' in text}


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """(what is removed, numbered among its like, and the text without it)."""
    seen: Counter[str] = Counter()
    for kind, pattern in (("assert", _ASSERT), ("raise", _RAISE), ("gather", _GATHER)):
        for found in pattern.finditer(text):
            name = f"{kind} {found[2]}"
            seen[name] += 1
            instead = "pass"
            if kind == "raise":
                instead = f"return empty({_RETURNS.findall(text[: found.start()])[-1]})"
            yield (
                f"{name} #{seen[name]}",
                f"{text[: found.start()]}{found[1]}{instead}\n{text[found.end() :]}",
            )


def collected() -> dict[str, dict[str, str]]:
    """Mutant -> contract -> its text."""
    out: dict[str, dict[str, str]] = {}
    for contract, text in verifiers().items():
        for name, changed in mutants(text):
            out.setdefault(name, {})[contract] = changed
    return out


def copy_tree() -> Path:
    """The project, compiled kernels included."""
    to = Path(tempfile.mkdtemp(prefix="axon-mutant-"))
    for folder in ("axon", "contracts", "tests"):
        shutil.copytree(ROOT / folder, to / folder)
    shutil.copy(ROOT / "pyproject.toml", to)
    if (ROOT / ".tools").exists():  # where anvil may be
        (to / ".tools").symlink_to(ROOT / ".tools")
    return to


def survives(files: dict[str, str], tree: Path) -> tuple[bool, str]:
    """Whether all tests pass on the mutant, and the first that does not."""
    abi = tree / "axon" / "chain" / "abi"
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    saved = {name: (tree / "contracts" / f"{name}.vy").read_text("utf-8") for name in files}
    compiled = {name: abi / f"{name.replace('/', '.')}.json" for name in files}
    before = {path: path.read_text("utf-8") for path in compiled.values()}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )

    try:
        for name, text in files.items():
            (tree / "contracts" / f"{name}.vy").write_text(text, "utf-8")
        if files:
            built = run("axon.chain.build", *files)
            if built.returncode:
                return False, f"does not compile: {built.stderr.strip().splitlines()[-1:]}"
        done = run("pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS)
        failed = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        return done.returncode == 0, failed
    finally:
        for name, text in saved.items():
            (tree / "contracts" / f"{name}.vy").write_text(text, "utf-8")
        for path, text in before.items():
            path.write_text(text, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--trust", action="store_true", help="do not run the tests unchanged first")
    given = parser.parse_args()
    chosen = {name: files for name, files in collected().items() if given.only in name}
    if given.list:
        print("\n".join(f"{name:60} {', '.join(files)}" for name, files in chosen.items()))
        return 0
    tree = copy_tree()
    alive = []
    try:
        ok, failed = (True, "") if given.trust else survives({}, tree)
        if not ok:
            print(f"the tests fail with nothing removed: {failed}")
            return 1
        for name, files in chosen.items():
            start = time.perf_counter()
            survived, failed = survives(files, tree)
            verdict = "SURVIVED" if survived else "killed"
            print(f"{verdict:9}{name:50} {time.perf_counter() - start:5.1f} s  {failed[:90]}", flush=True)
            alive += [name] if survived else []
    finally:
        shutil.rmtree(tree)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
