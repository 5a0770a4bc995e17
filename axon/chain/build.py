"""Compile `contracts/` into `abi/*.json`: ``python -m axon.chain.build [--check]``.

Needs the compiler and a checkout; those who only use Axon need neither.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from axon.chain.artifacts import file_name

__all__ = ["SOURCES", "VENOM", "compile_contract", "compile_verifier", "main", "render"]

SOURCES = (
    "trackers",
    "pool",
    "pool_factory",
    "distribution/linear",
    "distribution/decaying",
    "distribution/fixed",
    "stark/axr1_100",
    "stark/axr1_compact_100",
    "stark/axr1_compact_128",
    "mocks/token",
    "mocks/hostile_token",
    "mocks/hostile_distribution",
    "mocks/trackers",
    "mocks/verifier",
)
VERIFIERS = frozenset(name for name in SOURCES if name.startswith("stark/"))
VENOM = frozenset({"pool", "trackers"})  # made by the newer code generator, for less gas

_ROOT = Path(__file__).resolve().parents[2]
_MAX_RUNTIME = 24_576  # bytes (EIP-170)


def compile_contract(name: str, venom: bool | None = None) -> dict[str, object]:
    """Compile ``contracts/NAME.vy``.

    Parameters
    ----------
    venom : bool, optional
        Which code generator; by default the one that we ship with.

    Returns
    -------
    dict
        ``abi`` (list) and ``bytecode`` (hexadecimal, no prefix).

    Raises
    ------
    RuntimeError
        If the contract is larger than the chain takes (EIP-170).
    """
    if name in VERIFIERS:
        return compile_verifier(name, venom is not False)
    return _compile(_ROOT / "contracts", name, name in VENOM if venom is None else venom)


def compile_verifier(name: str, venom: bool = True, root: Path = _ROOT / "contracts") -> dict[str, object]:
    """Compile a printed verifier, ``NAME.vy`` and ``NAME_constraints.vy``, into one creation code.

    The verifier fits (EIP-170) only by the newer code generator and for size; its constraints, which
    its constructor puts into a contract of their own, only by the older one. By the older one the
    verifier is compiled without a limit, to compare the generators in an EVM that has none.
    """
    constraints = _compile(root, f"{name}_constraints", False)["bytecode"]
    verifier = _compile(root, name, venom, size=True, limited=venom)
    abi, code = verifier["abi"], verifier["bytecode"]
    assert isinstance(constraints, str) and isinstance(code, str) and isinstance(abi, list)
    argument = bytes.fromhex(constraints)
    padded = argument.ljust(-(-len(argument) // 32) * 32, b"\0")
    encoded = (32).to_bytes(32, "big") + len(argument).to_bytes(32, "big") + padded  # as ABI's `bytes`
    return {
        "abi": [entry for entry in abi if entry["type"] != "constructor"],
        "bytecode": code + encoded.hex(),
    }


def _compile(
    root: Path, name: str, venom: bool, size: bool = False, limited: bool = True
) -> dict[str, object]:
    from vyper.compiler import compile_from_file_input
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.settings import OptimizationLevel, Settings

    bundle = FilesystemInputBundle([root])
    out = compile_from_file_input(
        bundle.load_file(f"{name}.vy"),
        input_bundle=bundle,
        output_formats=["abi", "bytecode", "bytecode_runtime"],
        settings=Settings(
            evm_version="prague",
            optimize=OptimizationLevel.CODESIZE if size else OptimizationLevel.GAS,
            experimental_codegen=venom,
        ),
    )
    length = len(out["bytecode_runtime"]) // 2 - 1
    if limited and length > _MAX_RUNTIME:
        raise RuntimeError(f"{name}: {length} bytes of code, at most {_MAX_RUNTIME} (EIP-170)")
    return {"abi": out["abi"], "bytecode": out["bytecode"].removeprefix("0x")}


def render(compiled: dict[str, object]) -> str:
    """Write a compiled contract the way it is stored: one line an ABI entry, so that diffs are readable."""
    abi = compiled["abi"]
    assert isinstance(abi, list)
    entries = ",\n  ".join(json.dumps(entry, sort_keys=True) for entry in abi)
    return f'{{"abi": [\n  {entries}\n],\n"bytecode": "{compiled["bytecode"]}"}}\n'


def main(argv: Sequence[str] | None = None) -> int:
    """Compile and write, or with ``--check`` compare; exit status 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m axon.chain.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything is out of date")
    parser.add_argument("names", nargs="*", default=SOURCES, help="contracts; all by default")
    args = parser.parse_args(argv)
    stale = 0
    for name in args.names:
        text = render(compile_contract(name))
        path = Path(__file__).parent / "abi" / file_name(name)
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale += 1
        if args.check:
            print(f"{name}: out of date", file=sys.stderr)
        else:
            path.write_text(text, "utf-8")
            print(f"{name}: written")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
