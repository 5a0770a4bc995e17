"""Remove each check of the STARK verifier in turn and see that a test fails.

    python scripts/mutate_verifier.py [--list] [--only TEXT] [--every N] [--trust]

A mutant is the package with one thing taken out: a `raise ProofRejected` of the code that
the verifier runs, or one of the absorptions of the transcript, in prover and verifier
alike (so that honest proofs still verify, and only a test of the order can tell). Mutants live in a
temporary copy; nothing here is touched. Exit code 1 if one survives its tests.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKED = ["verifier.py", "fri.py", "proof.py", "composition.py", "commitment.py"]
ABSORBING = ["verifier.py", "fri.py", "prover.py"]
TESTS = ["tests/stark/test_verifier.py", "tests/stark/test_commitment.py"]


@dataclass(frozen=True)
class Mutant:
    """`files`: name in axon/stark -> new text."""

    name: str
    files: dict[str, str]


class _Replace(ast.NodeTransformer):
    """Puts `new` in the place of one node."""

    def __init__(self, line: int, new: ast.stmt) -> None:
        self.line = line
        self.new = new

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        return ast.copy_location(self.new, node) if node.lineno == self.line else node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        return ast.copy_location(self.new, node) if node.lineno == self.line else node


def source(name: str) -> str:
    return (ROOT / "axon" / "stark" / name).read_text()


def replaced(text: str, line: int, new: str) -> str:
    tree = _Replace(line, ast.parse(new).body[0]).visit(ast.parse(text))
    return ast.unparse(ast.fix_missing_locations(tree))


def checks() -> Iterator[Mutant]:
    """Every `raise ProofRejected`."""
    for name in CHECKED:
        text = source(name)
        for node in ast.walk(ast.parse(text)):
            raised = node.exc if isinstance(node, ast.Raise) else None
            if isinstance(raised, ast.Call) and getattr(raised.func, "id", "") == "ProofRejected":
                what = ast.unparse(raised.args[0])
                removed = replaced(text, node.lineno, "pass")  # type: ignore[attr-defined]
                yield Mutant(f"{name}:{node.lineno} check {what}", {name: removed})  # type: ignore[attr-defined]
    text = source("verifier.py")
    for node in ast.walk(ast.parse(text)):  # checks behind a call
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = ast.unparse(node.value.func)
            if call in (
                "check_out_of_domain",
                "options.check",
                "verify_multi",
                "verify_layers",
                "reader.end",
            ):
                yield Mutant(
                    f"verifier.py:{node.lineno} call {call}",
                    {"verifier.py": replaced(text, node.lineno, "pass")},
                )


def absorptions() -> Iterator[Mutant]:
    """Every kind of absorption, removed on both sides at once."""
    tags = ["STATEMENT", "PUBLIC", "MAIN", "AUXILIARY", "QUOTIENT", "FRAME", "LAYER", "FINAL", "NONCE"]
    for tag in tags:
        files = {}
        for name in ABSORBING:
            text = changed = source(name)
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                    call = node.value
                    if ast.unparse(call.func) == "transcript.absorb":
                        given = ast.unparse(call.args[0])
                        guarded = f"({given} == Tag.{tag}) or {ast.unparse(call)}"
                        changed = (
                            replaced(changed, node.lineno, guarded)
                            if changed is text
                            else _again(changed, ast.unparse(node), guarded)
                        )
            if changed is not text:
                files[name] = changed
        yield Mutant(f"absorb {tag}", files)


def _again(text: str, statement: str, new: str) -> str:
    """Replace one statement of already normalised text."""
    lines = text.split("\n")
    for k, line in enumerate(lines):
        if line.strip() == statement:
            lines[k] = line[: len(line) - len(line.lstrip())] + new
    return "\n".join(lines)


def statements() -> Iterator[Mutant]:
    """Single ingredients, by text."""
    edits = [
        ("statement without the options", "verifier.py", "options.to_bytes() + air.id", "air.id"),
        ("statement without the AIR", "verifier.py", "options.to_bytes() + air.id", "options.to_bytes()"),
        (
            "public values without the context",
            "air.py",
            'out + len(context).to_bytes(8, "big") + context',
            "out",
        ),
        ("public values without the root", "air.py", 'out += root.ljust(32, b"\\0")', "pass"),
        (
            "no mask in the DEEP value",
            "verifier.py",
            "value: Ext = (row[mask_at]",
            "value: Ext = (0 * row[mask_at]",
        ),
        ("next row opened at z", "verifier.py", "scale(z, root_of_unity(air.log_rows))", "scale(z, 1)"),
        (
            "exempt rows one short",
            "composition.py",
            "for _ in range(air.rows(options) - 1, n):",
            "for _ in range(air.rows(options), n):",
        ),
        ("fewer queries", "verifier.py", "transcript.positions(options.queries", "transcript.positions(1"),
        ("half the grinding", "verifier.py", "< options.grinding_bits", "< options.grinding_bits // 2"),
        (
            "list length unbound",
            "composition.py",
            "total = extension.ONE\n    for value in values",
            "total = extension.ZERO\n    for value in values",
        ),
    ]
    for name, file, old, new in edits:
        text = source(file)
        if text.count(old) != 1:
            raise SystemExit(f"mutant {name!r}: {old!r} occurs {text.count(old)} times in {file}")
        yield Mutant(name, {file: text.replace(old, new)})


def mutants() -> list[Mutant]:
    return [*checks(), *absorptions(), *statements()]


def copy_tree() -> Path:
    """The package and the tests of the proof system, compiled kernels included."""
    to = Path(tempfile.mkdtemp(prefix="axon-mutant-"))
    (to / "axon").mkdir()
    (to / "tests").mkdir()
    for name in ("__init__.py", "errors.py", "ids.py"):
        shutil.copy(ROOT / "axon" / name, to / "axon" / name)
    shutil.copytree(ROOT / "axon" / "stark", to / "axon" / "stark")
    for name in ("__init__.py", "conftest.py"):
        shutil.copy(ROOT / "tests" / name, to / "tests" / name)
    shutil.copytree(ROOT / "tests" / "stark", to / "tests" / "stark")
    shutil.copy(ROOT / "pyproject.toml", to / "pyproject.toml")
    return to


def survives(mutant: Mutant, tree: Path) -> tuple[bool, str]:
    """Whether all tests pass on the mutant, and the first that does not."""
    saved = {name: (tree / "axon" / "stark" / name).read_text() for name in mutant.files}
    try:
        for name, text in mutant.files.items():
            (tree / "axon" / "stark" / name).write_text(text)
        environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        failed = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        return done.returncode == 0, failed
    finally:
        for name, text in saved.items():
            (tree / "axon" / "stark" / name).write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="each N-th mutant only")
    parser.add_argument("--trust", action="store_true", help="do not run the tests unchanged first")
    given = parser.parse_args()
    chosen = [m for m in mutants() if given.only in m.name][:: given.every]
    if given.list:
        print("\n".join(m.name for m in chosen))
        return 0
    tree = copy_tree()
    alive = []
    try:
        ok, failed = (True, "") if given.trust else survives(Mutant("nothing removed", {}), tree)
        if not ok:
            print(f"the tests fail with nothing removed: {failed}")
            return 1
        for mutant in chosen:
            start = time.perf_counter()
            survived, failed = survives(mutant, tree)
            verdict = "SURVIVED" if survived else "killed"
            print(
                f"{verdict:9}{mutant.name:60} {time.perf_counter() - start:5.1f} s  {failed[:90]}", flush=True
            )
            alive += [mutant.name] if survived else []
    finally:
        shutil.rmtree(tree)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
