"""The tables of attacks in docs/verifier.md and docs/contracts.md name tests that exist, for every item."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROOFS = 28  # kinds of hostile proofs, numbered


@cache
def existing() -> frozenset[str]:
    """Names of all test functions, and of stateful tests."""
    names: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, ast.Assign):  # Test... = ....TestCase
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return frozenset(names)


def rows(page: str, heading: str) -> list[list[str]]:
    """Cells of the table below a heading, without its head."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    section = re.split(r"^## ", text.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]
    table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


@pytest.mark.parametrize("page", ["verifier.md", "contracts.md"])
def test_the_tables_of_attacks_name_tests_that_exist(page: str) -> None:
    for row in rows(page, "Attacks"):
        named = [name for cell in row for name in re.findall(r"`([Tt]est_?\w+)`", cell)]
        assert named, row
        assert set(named) <= existing(), set(named) - existing()


def test_every_kind_of_hostile_proof_is_tried_on_both_verifiers() -> None:
    table = rows("verifier.md", "Attacks")
    assert [int(row[0].split()[0]) for row in table] == list(range(1, PROOFS + 1))
    only_python = {27}  # what hides the witness is the prover's; a verifier sees no more of it than lengths
    for number, row in enumerate(table, 1):
        assert "`test_" in row[1], row
        assert "`test_" in row[2] or number in only_python, row
