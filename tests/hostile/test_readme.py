"""The table in README.md names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_names_tests_that_exist() -> None:
    text = (ROOT / "tests" / "hostile" / "README.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 60
    for path, name in named:
        source = (ROOT / path).read_text()
        functions = {node.name for node in ast.walk(ast.parse(source)) if hasattr(node, "name")}
        assert not name or name in functions, f"{path}::{name}"
    items = {int(number) for number in re.findall(r"^\| (\d+) ", text.partition("## What")[0], re.MULTILINE)}
    assert items == set(range(1, 29))
