"""Remove each check of the pool, its factory, its terms and the trackers' registry; see that a test fails.

    python scripts/mutate_pool.py [--list] [--only TEXT] [--every N]

A mutant lacks an `assert` or a `raise`, half of an `assert A and B`, or a `return False`. Each is compiled in
a copy of the checkout, where the tests run on it; nothing here is touched. Some 15 s a mutant.
Exit code 1 if one survives, but for those of `KNOWN`.
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
# What is mutated -> the contracts that it is part of, and tests that ask them, the likeliest first.
CONTRACTS = {
    "pool": (["pool"], ["pool_hostile", "pool"]),
    "modules/terms": (["pool_factory"], ["pool", "pool_hostile"]),
    "pool_factory": (["pool_factory"], ["pool", "pool_hostile"]),
    "trackers": (["trackers"], ["trackers"]),
    "modules/bls": (["trackers"], ["trackers", "modules"]),
}

# Mutants that nobody can tell from the contract, and why.
KNOWN = {
    ("pool", "pool: more than reserved"): "never so, and the difference below would revert",
    (
        "trackers",
        "trackers: key out of place",
    ): "an account's contracts have the addresses that its nonces say",
    ("trackers", "return False"): "nobody's key is empty, and the module refuses that",
    ("modules/bls", "return False"): "the precompile takes no other lengths",
    ("modules/bls", "return False #2"): "where infinity would pass, the signature is at infinity, too",
    ("modules/bls", "return False #3"): "where infinity would pass, the key is at infinity, too",
}

_CHECK = re.compile(r'^( +)(assert|raise)\b((?:[^"#]|\n)*?)"(\w+: [^"]*)"\n', re.MULTILINE)
_FALSE = re.compile(r"^( +)return False\n", re.MULTILINE)
_RETURNS = re.compile(r"-> ([^:]+):")
_ACTS = ("_send(", "raw_create(")  # what a check must go on doing when nobody looks at the outcome


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """(what is removed, numbered among its like, and the text without it)."""
    seen: Counter[str] = Counter()

    def mutant(found: re.Match[str], what: str, instead: str) -> tuple[str, str]:
        seen[what] += 1
        number = f" #{seen[what]}" if seen[what] > 1 else ""
        return (
            f"{what}{number}",
            f"{text[: found.start()]}{found[1]}{instead}\n{text[found.end() :]}",
        )

    for found in _CHECK.finditer(text):
        kind, condition, reason = found[2], found[3].strip().removesuffix(","), found[4]
        if kind == "raise":
            kinds = _RETURNS.findall(text[: found.start()])
            yield mutant(found, reason, f"return empty({kinds[-1]})")
            continue
        kept = any(act in condition for act in _ACTS)
        yield mutant(found, reason, f"assert ({condition}) or True" if kept else "pass")
        halves = condition.split(" and ")
        if len(halves) == 2:
            yield mutant(found, f"{reason}, second half", f'assert {halves[0]}, "{reason}"')
            yield mutant(found, f"{reason}, first half", f'assert {halves[1]}, "{reason}"')
    for found in _FALSE.finditer(text):
        yield mutant(found, "return False", "pass")


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python module that sees the copy of the package, not the one installed."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )


def verdict(copy: Path, file: str) -> str:
    """The first test that fails on the copy, or nothing."""
    contracts, tests = CONTRACTS[file]
    built = run(copy, "axon.chain.build", *contracts)
    if built.returncode:
        return f"does not compile: {built.stderr.strip().splitlines()[-1]}"
    for name in tests:
        test = f"tests/contracts/test_{name}.py"
        tried = run(copy, "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", test)
        if tried.returncode:
            failed = re.search(r"^(?:FAILED|ERROR) \S*?::(\S+)", tried.stdout, re.MULTILINE)
            return f"killed: {failed[1] if failed else tried.stdout.strip().splitlines()[-1]}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="each N-th mutant only")
    given = parser.parse_args()
    texts = {file: (ROOT / "contracts" / f"{file}.vy").read_text("utf-8") for file in CONTRACTS}
    every = [(file, name, text) for file in CONTRACTS for name, text in mutants(texts[file])]
    chosen = [m for m in every if given.only in f"{m[0]} {m[1]}"][:: given.every]
    if given.list:
        print("\n".join(f"{file:14} {name}" for file, name, _ in chosen))
        return 0
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="axon-mutant-") as folder:
        copy = Path(folder)
        for part in ("axon", "tests", "contracts"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for file in dict.fromkeys(file for file, _, _ in chosen):
            if said := verdict(copy, file):
                raise SystemExit(f"{file} fails with nothing removed: {said}")
        for file, name, text in chosen:
            start = time.perf_counter()
            (copy / "contracts" / f"{file}.vy").write_text(text, "utf-8")
            said = verdict(copy, file)
            (copy / "contracts" / f"{file}.vy").write_text(texts[file], "utf-8")
            run(copy, "axon.chain.build", *CONTRACTS[file][0])
            if not said and (file, name) in KNOWN:
                said = f"known: {KNOWN[file, name]}"
            counts[said.split(":")[0] or "alive"] += 1
            print(
                f"{file:13} {name:44} {time.perf_counter() - start:5.1f} s  {said or 'ALIVE'}"[:160],
                flush=True,
            )
    print(dict(counts))
    return 1 if counts["alive"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
