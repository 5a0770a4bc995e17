"""A proof before both judges: the Python verifier, and the contract on a node.

The contract is asked by `eth_call` over one connection, a few milliseconds a question, so
that thousands of mutants can be tried. An answer is "" for acceptance, else what was wrong.
"""

import http.client
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from axon.chain.chain import revert_reason
from axon.chain.contract import encode_call
from axon.chain.shares import SHARE_BITS, SHARES_A_WORD
from axon.errors import ProofRejected
from axon.ids import Account
from axon.rewards.air import Statement
from axon.stark import Air, Options, Proof, layout, verify
from axon.stark.vyper import envelope
from tests.contracts.epochs import words

GAS = 15_000_000  # of one question; a transaction may have 2^24 (EIP-7825)


def packed(shares: Sequence[int]) -> list[int]:
    """`pack_shares` of any list whatever."""
    padded = [*shares, *(0 for _ in range(-len(shares) % SHARES_A_WORD))]
    return [
        sum(share << 256 - SHARE_BITS * (k + 1) for k, share in enumerate(padded[i : i + SHARES_A_WORD]))
        for i in range(0, len(padded), SHARES_A_WORD)
    ]


class Node:
    """Calls without transactions."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def call(self, to: Account, data: bytes, gas: int = GAS) -> tuple[bytes, str]:
        """What a call returns, and why it reverted if it did; AssertionError if gas does not suffice."""
        fields = {"to": "0x" + to.hex(), "data": "0x" + data.hex(), "gas": hex(gas)}
        question = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [fields, "latest"]}
        self._connection.request("POST", "/", json.dumps(question), {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        if "error" not in answer:
            return bytes.fromhex(answer["result"][2:]), ""
        error = answer["error"]
        data = error.get("data", "")
        assert isinstance(data, str), error  # a revert, and no trouble of the node's
        assert "revert" in error["message"], error
        return b"", revert_reason(bytes.fromhex(data.removeprefix("0x")))

    def least_gas(self, to: Account, data: bytes) -> int:
        """The least gas of a transaction, to a thousand, with which a call returns."""
        low, high = 0, GAS
        while high - low > 1000:
            middle = (low + high) // 2
            try:
                enough = bool(self.call(to, data, middle)[0])
            except AssertionError:
                enough = False
            low, high = (low, middle) if enough else (middle, high)
        return high


@dataclass(frozen=True)
class Case:
    """A statement with a proof."""

    air: Air
    statement: Statement
    proof: Proof

    def sections(self, options: Options) -> list[tuple[str, int, int, str]]:
        """(name, offset, length, kind) of the proof's sections."""
        return layout(self.air, self.statement.public(), self.proof, options)


@dataclass(frozen=True)
class Judges:
    """Both verifiers of AXR-1 under one set of options."""

    node: Node
    contract: Account
    entry: dict[str, object]  # of `verify` in the ABI
    options: Options
    gas: int = GAS  # of a question, besides 40 for each byte by which it is longer than the case's own

    def python(self, case: Case, data: bytes) -> str:
        """The check that refuses `data` for the case's statement."""
        try:
            case.statement.check()
            verify(case.air, case.statement.public(), Proof.from_bytes(data), self.options)
        except ProofRejected as refusal:
            return refusal.check
        return ""

    def evm(self, case: Case, data: bytes) -> str:
        """The contract's reason to refuse `data` for the case's statement."""
        gas = self.gas + 40 * max(0, len(data) - len(case.proof))
        return self.evm_raw(case.statement, envelope(case.air, Proof(data)), gas=gas)

    def evm_raw(
        self, statement: Statement, wrapped: bytes, shares: list[int] | None = None, gas: int = GAS
    ) -> str:
        """The same of bytes, and perhaps words of shares, as the contract takes them."""
        returned, reason = self.node.call(self.contract, self.question(statement, wrapped, shares), gas)
        assert reason or int.from_bytes(returned, "big") == 1
        return reason

    def question(self, statement: Statement, wrapped: bytes, shares: list[int] | None = None) -> bytes:
        """Calldata."""
        return encode_call(
            self.entry, (words(statement), packed(statement.shares) if shares is None else shares, wrapped)
        )

    def refuse(self, case: Case, mutants: Iterable[tuple[str, bytes]], reason: str = "") -> Counter[str]:
        """Let both judge every (name, proof); all must be refused, by the contract for `reason` if given.

        A mutant that is the case's own proof is left out. Returns how often Python refused by which check.
        """
        counts: Counter[str] = Counter()
        for name, data in mutants:
            if data == case.proof.data:
                continue
            check, said = self.python(case, data), self.evm(case, data)
            assert check, f"Python accepts {name}"
            assert said, f"the contract accepts {name}, which Python refuses: {check}"
            want = reason or REASONS.get(check, said)
            assert said == want, f"{name}: Python {check}, the contract {said!r}"
            counts[check] += 1
        return counts


# Checks that come in the same place in both; of the others the contract may come to another one first,
# for it looks at all elements of a section at once, and finds bytes missing only when it comes to them.
REASONS = {
    "grinding": "verifier: grinding",
    "ood-point": "verifier: point in the base field",
    "constraints": "verifier: constraints",
}
