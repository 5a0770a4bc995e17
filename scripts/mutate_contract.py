"""Remove each check of the printed verifier contracts in turn and see that their answers change.

    python scripts/mutate_contract.py [--list] [--only TEXT] [--every N]

First the mutants and forgers of `tests/contracts` run with nothing removed, and every question to
the contracts is written down with its answer. A mutant lacks one thing: an `assert`, a `raise`, or a
statement that gathers what a later assert looks at. It is compiled (some 10 s a contract) and asked
the same. It is killed if it accepts what was refused, or refuses what was accepted; "named" if it only gives
another reason, since another check stands behind this one. Exit code 1 if one answers all the same,
but for those of `KNOWN`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from eth_account import Account as EthAccount

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from axon.chain.artifacts import Artifact  # noqa: E402
from axon.chain.build import compile_verifier  # noqa: E402
from axon.chain.contract import deploy  # noqa: E402
from axon.chain.rpc import RpcChain  # noqa: E402
from axon.chain.wallet import KeyWallet  # noqa: E402
from axon.ids import Account  # noqa: E402
from tests.contracts import judges  # noqa: E402
from tests.interop.anvil import MNEMONIC, anvil  # noqa: E402

# The tests, by the contract that they ask.
TESTS = {
    "stark/axr1_100": "tests/contracts/test_verifier_forgers.py",
    "stark/axr1_compact_100": "tests/contracts/test_verifier_mutants.py",
}
# Mutants that no question about a proof of AXR-1 tells from the contract, and why.
KNOWN = {
    "assert verifier: point in the base field #1": "in test_verifier_small.py a transcript draws it",
    "assert verifier: element not canonical #2": "the flag stays up, and FRI's first layer asks it again",
    "gather st[BAD] #17": "the word has one column, which the next line looks at",
    "raise verifier: number of rows #1": "the second says the same",
    "raise verifier: number of rows #2": "the first says the same",
    "assert verifier: fri layer #1": "both sides count the same positions, whatever the proof",
}
CONSTRAINTS = "_constraints"  # of a verifier, in a file of their own

_ASSERT = re.compile(r'^( +)assert\b(?:[^"]|\n)*?"(verifier: [^"]*)"\n', re.MULTILINE)
_RAISE = re.compile(r'^( +)raise "(verifier: [^"]*)"\n', re.MULTILINE)
_GATHER = re.compile(r"^( +)(\w+(?:\[\w+\])?) \|= .*\n", re.MULTILINE)
_RETURNS = re.compile(r"-> ([^:]+):")


def verifiers() -> dict[str, str]:
    """Name below `contracts/` -> text, of all that the tests ask."""
    names = [name + part for name in TESTS for part in ("", CONSTRAINTS)]
    return {name: (ROOT / "contracts" / f"{name}.vy").read_text("utf-8") for name in names}


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


@dataclass(frozen=True)
class Question:
    """A call of the tests, and how it ended: "" or the reason."""

    data: bytes
    reason: str


def asked(test: str) -> list[Question]:
    """Run the test; SystemExit if it fails."""
    questions: list[Question] = []
    call = judges.Node.call

    def recording(self: judges.Node, to: Account, data: bytes, gas: int = judges.GAS) -> tuple[bytes, str]:
        answer = call(self, to, data, gas)
        questions.append(Question(data, answer[1]))
        return answer

    with mock.patch.object(judges.Node, "call", recording):
        if pytest.main(["-x", "-q", "-p", "no:cacheprovider", str(ROOT / test)]):
            raise SystemExit(f"{test} fails with nothing removed")
    return questions


def verdict(chain: RpcChain, node: judges.Node, name: str, root: Path, questions: list[Question]) -> str:
    """How the contract below `root` differs from what it was: "killed ...", "named ...", or nothing."""
    try:
        compiled = compile_verifier(name, root=root)
    except RuntimeError as large:
        return f"does not fit: {large}"
    abi, code = compiled["abi"], compiled["bytecode"]
    assert isinstance(abi, list) and isinstance(code, str)
    address = deploy(chain, Artifact(name, abi, bytes.fromhex(code))).address
    named: Counter[str] = Counter()
    for question in questions:
        reason = node.call(address, question.data)[1]
        if bool(reason) != bool(question.reason):
            return f"killed: {reason or 'accepts'} where it was {question.reason or 'accepted'}"
        if reason != question.reason:
            named[f"{question.reason} -> {reason}"] += 1
    return "named:  " + ", ".join(f"{n} x {what}" for what, n in named.items()) if named else ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="each N-th mutant only")
    given = parser.parse_args()
    chosen = dict([(n, files) for n, files in collected().items() if given.only in n][:: given.every])
    if given.list:
        print("\n".join(f"{name:50} {', '.join(files)}" for name, files in chosen.items()))
        return 0
    questions = {name: asked(test) for name, test in TESTS.items()}
    print({name: len(of) for name, of in questions.items()}, flush=True)
    counts: Counter[str] = Counter()
    EthAccount.enable_unaudited_hdwallet_features()
    with anvil() as url, tempfile.TemporaryDirectory(prefix="axon-mutant-") as folder:
        root = Path(folder) / "contracts"
        shutil.copytree(ROOT / "contracts", root)
        chain = RpcChain(url, KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC).key)))
        node = judges.Node(url)
        for name, files in chosen.items():
            start, said = time.perf_counter(), ""
            for file, text in files.items():
                contract = file.removesuffix(CONSTRAINTS)
                (root / f"{file}.vy").write_text(text, "utf-8")
                said = max(said, verdict(chain, node, contract, root, questions[contract]), key=_rank)
                (root / f"{file}.vy").write_text(verifiers()[file], "utf-8")
                if said.startswith("killed"):
                    break
            if not said and name in KNOWN:
                said = f"known:  {KNOWN[name]}"
            counts[said[:6] or "alive"] += 1
            print(f"{name:44} {time.perf_counter() - start:5.1f} s  {said or 'ALIVE'}"[:170], flush=True)
    print(dict(counts))
    return 1 if counts["alive"] else 0


def _rank(said: str) -> int:
    return ["", "does n", "named:", "killed"].index(said[:6])


if __name__ == "__main__":
    raise SystemExit(main())
