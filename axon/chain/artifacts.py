"""Compiled contracts, shipped with the package so that nobody needs the compiler.

`abi/NAME.json` holds ABI and creation code of `contracts/NAME.vy`, and of the
test contracts under `mocks/`. `build.py` writes these files; a test compiles
everything again and compares.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from axon.errors import ChainError

__all__ = ["Artifact", "artifact", "file_name"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract: what to deploy and how to talk to it."""

    name: str  # its path under contracts/ without suffix, such as "distribution/linear"
    abi: list[dict[str, Any]]
    bytecode: bytes  # creation code, before the constructor's arguments


def file_name(name: str) -> str:
    """Return the file that holds contract `name`."""
    return name.replace("/", ".") + ".json"


@cache
def artifact(name: str) -> Artifact:
    """Load a compiled contract.

    Raises
    ------
    ChainError
        If the package holds no such contract.
    """
    path = resources.files("axon.chain") / "abi" / file_name(name)
    try:
        fields = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ChainError(f"no compiled contract {name!r} in this package") from None
    return Artifact(name, fields["abi"], bytes.fromhex(fields["bytecode"]))
