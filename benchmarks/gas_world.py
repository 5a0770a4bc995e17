"""The node, contracts and traces behind `gas.py`."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from eth_account import Account as EthAccount
from web3 import HTTPProvider

from axon.bls import BlsSecret
from axon.chain.artifacts import Artifact, artifact
from axon.chain.attestation import attestation_digest, combine
from axon.chain.build import compile_verifier
from axon.chain.contract import Contract, deploy
from axon.chain.deploy import REWARD_VERIFIERS, deploy_reward_verifier, deploy_system
from axon.chain.pool import Pool, Terms, TokenTerms, Totals, create_pool
from axon.chain.rpc import RpcChain
from axon.chain.shares import pack_shares
from axon.chain.wallet import KeyWallet
from axon.ids import Account, Epoch, InfoHash
from axon.merkle import keccak256
from axon.rewards.air import reward_air
from axon.stark import Air, Options, Proof
from axon.stark.verifier import layout
from axon.stark.vyper import envelope, verifier_source
from tests.contracts.epochs import prove_epoch
from tests.interop.anvil import MNEMONIC

ROOT = Path(__file__).resolve().parents[1]
SIGNERS = 7
EPOCH = 3600  # seconds
_BLOCK = 500  # joins
_CAP = 1 << 24  # gas of a transaction (EIP-7825)


class GasWorld:
    """One node with the system on it; `rows` collects what operations cost."""

    def __init__(self, url: str) -> None:
        EthAccount.enable_unaudited_hdwallet_features()
        self.url = url
        self.chain = RpcChain(url, KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC).key)))
        self._node = HTTPProvider(url)
        self._rpc("anvil_autoImpersonateAccount", True)
        self.system = deploy_system(self.chain)
        self.registry = Contract(self.chain, artifact("trackers"), self.system.trackers)
        self.secrets = [BlsSecret(9_000 + k) for k in range(SIGNERS)]
        self.tokens = [deploy(self.chain, artifact("mocks/token"), name, name) for name in ("A", "B")]
        for token in self.tokens:
            token.transact("mint", self.chain.account, 10**30)
        self.rows: list[dict[str, Any]] = []
        self.verifier = cache(self._verifier)
        self._pools = 0

    def _rpc(self, method: str, *params: Any) -> Any:
        answer = self._node.make_request(method, list(params))
        assert "error" not in answer, answer
        return answer["result"]

    # transactions

    def send(self, to: Account, data: bytes, sender: Account | None = None) -> dict[str, Any]:
        """Send with all the gas that there can be, and return the receipt.

        An estimate would be no good: a node looks for the least gas with which a transaction does not
        fail, and with little gas the registry's `verify` answers False, cheaply.
        """
        name = self._submit(to, data, sender or self.chain.account)
        receipt: dict[str, Any] | None = None
        while receipt is None:  # mined at once, but not at the same instant
            receipt = self._rpc("eth_getTransactionReceipt", name)
        if int(receipt["status"], 16) != 1:
            self.chain.call(to, data)  # says why
            raise AssertionError(f"{data[:4].hex()} reverted with {int(receipt['gasUsed'], 16)} gas")
        return receipt

    def _submit(self, to: Account, data: bytes, sender: Account) -> str:
        fields = {"from": _hex(sender), "to": _hex(to), "data": _hex(data)}
        name: str = self._rpc("eth_sendTransaction", fields | {"gas": hex(_CAP), "gasPrice": "0x0"})
        return name

    def transact(self, contract: Contract, name: str, arguments: list[Any], case: str | None = None) -> None:
        """Call a function, and note its cost under `case`."""
        self._send_and_note(contract.address, contract.calldata(name, *arguments), case)

    def _send_and_note(
        self, to: Account, data: bytes, case: str | None, sender: Account | None = None
    ) -> None:
        receipt = self.send(to, data, sender)
        if case is not None:
            nothing = {"edges": None, "peers": None, "proven_bits": None}
            self.rows.append({"case": case} | nothing | self._cost(receipt, data))

    def _cost(self, receipt: dict[str, Any], data: bytes) -> dict[str, Any]:
        zeros = data.count(0)
        standard = 21_000 + 16 * (len(data) - zeros) + 4 * zeros
        floor = 21_000 + 40 * (len(data) - zeros) + 10 * zeros
        total = int(receipt["gasUsed"], 16)
        execution = total - standard
        if total == floor:  # what the contracts used is below: the trace knows
            execution = self._calls(receipt)[0][1] + _proxy_gas(len(data))
        return {
            "gas_total": total,
            "gas_execution": execution,
            "gas_floor": floor,
            "calldata_bytes": len(data),
        }

    def _calls(self, receipt: dict[str, Any]) -> list[tuple[str, int]]:
        """(callee, gas) of the implementation behind a proxy, and of those that it calls."""
        trace = self._rpc("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        (inner,) = trace["calls"]
        return [(c["to"], int(c["gasUsed"], 16)) for c in (inner, *inner.get("calls", []))]

    # contracts

    def _verifier(self, options: Options) -> Contract:
        """The verifier that we ship for `options`, or one that is printed and compiled now."""
        shipped = artifact("stark/axr1_100")  # all have one ABI
        if options.name in REWARD_VERIFIERS:
            return Contract(self.chain, shipped, deploy_reward_verifier(self.chain, options.name))
        rows = [options.max_log_rows - 1, options.max_log_rows]
        with TemporaryDirectory() as folder:
            contracts = Path(folder) / "contracts"
            copytree(ROOT / "contracts", contracts)
            name = f"stark/{options.name}"
            for part, source in zip(("", "_constraints"), verifier_source(reward_air, rows, options, "pool")):
                (contracts / f"{name}{part}.vy").write_text(source, "utf-8")
            code = str(compile_verifier(name, root=contracts)["bytecode"])
        return deploy(self.chain, Artifact(options.name, shipped.abi, bytes.fromhex(code)))

    def register_and_attest(self) -> None:
        for secret in self.secrets:
            arguments = [secret.public, secret.prove_possession()]
            self.transact(
                self.registry,
                "register",
                arguments,
                "register a tracker" if secret is self.secrets[-1] else None,
            )
        message = keccak256(b"message")
        quorum = combine(list(range(SIGNERS)), {k: s.sign(message) for k, s in enumerate(self.secrets)})
        verify = [message, list(range(SIGNERS)), quorum.signature]
        assert self.registry.call("verify", *verify)
        self.transact(self.registry, "verify", verify, f"check an attestation of {SIGNERS} signers")

    def open(self, verifier: Contract, tokens: int, case: str | None = None) -> Pool:
        self._pools += 1
        terms = Terms(
            info_hash=InfoHash(b"\x44" * 20),
            start=self.chain.now(),
            epoch_length=EPOCH,
            epochs=10,
            claim_window=EPOCH,
            quorum=5,
            c=1_000,
            distribution=self.system.linear,
            verifier=verifier.address,
            tokens=[TokenTerms(token.address, 0) for token in self.tokens[:tokens]],
            trackers=list(range(SIGNERS)),
            fee=100,
        )
        salt = keccak256(self._pools.to_bytes(8, "big"))
        pool, receipt = create_pool(self.chain, self.system, terms, salt)
        if case is not None:
            factory = Contract(self.chain, artifact("pool_factory"), self.system.factory)
            data = factory.calldata("create_pool", terms, salt)
            row = self._cost({"gasUsed": hex(receipt.gas_used)}, data)
            self.rows.append({"case": case, "edges": None, "peers": None, "proven_bits": None} | row)
        return pool

    def stake(self, pool: Pool, case: str | None = None) -> None:
        for terms in pool.terms().tokens:
            token = Contract(self.chain, artifact("mocks/token"), terms.token)
            token.transact("approve", pool.address, 10**24)
            self.transact(pool.contract, "stake", [terms.token, 10**24], case)

    def join(self, pool: Pool, count: int, case: str | None = None) -> None:
        self._rpc("evm_setAutomine", False)  # a block for each would take the node gigabytes
        for number in range(count):
            data = pool.contract.calldata("join", keccak256(number.to_bytes(4, "big")), b"\x5a" * 64)
            if number < count - 1:
                self._submit(pool.address, data, _peer(number))
            if number % _BLOCK == 0 or number == count - 1:
                self._rpc("evm_mine")
        self._rpc("evm_setAutomine", True)
        self._send_and_note(pool.address, data, case, _peer(count - 1))
        assert pool.contract.call("member_count") == count

    def leave(self, pool: Pool, case: str) -> None:
        self._send_and_note(pool.address, pool.contract.calldata("leave"), case, _peer(0))

    def claim(self, pool: Pool, index: int, epochs: list[int], case: str) -> None:
        proofs = [pool.shares_of(epoch).claim(index) for epoch in epochs]
        self.transact(pool.contract, "claim", [index, proofs], case)

    # settlements

    def settle(
        self,
        pool: Pool,
        options: Options,
        edges: int,
        peers: int,
        joined: int,
        epoch: int = 0,
    ) -> dict[str, Any]:
        """Prove an honest random epoch and settle it."""
        chain_id, account = self.chain.chain_id, self.chain.account
        said = {"chain_id": chain_id, "pool": pool.address, "epoch": Epoch(epoch), "submitter": account}
        air, statement, proof = prove_epoch(edges, peers, joined, said, options=options)
        shares, wrapped = pack_shares(statement.shares), envelope(air, proof)
        row = {"case": f"settle {options.name}", "options": options.name} | {
            "edges": edges,
            "peers": peers,
            "joined": joined,
            "log_rows": air.log_rows,
            "proven_bits": int(options.security_bits(air)),
            "proof_bytes": _parts(air, statement.public(), proof, options),
        }
        root = statement.root.ljust(32, b"\0")
        digest = attestation_digest(chain_id, pool.address, epoch, root, pool.rules_hash())
        quorum = combine(list(range(SIGNERS)), {k: s.sign(digest) for k, s in enumerate(self.secrets)})
        totals = Totals(statement.sum_trust, statement.sum_pretrust)
        data = pool.contract.calldata("settle", epoch, root, quorum, totals, shares, wrapped)
        receipt = self.send(pool.address, data)
        cost = self._cost(receipt, data)
        callees: Counter[str] = Counter()
        for to, gas in self._calls(receipt)[1:]:
            callees[to] += gas
        verifier_gas = callees[_hex(pool.terms().verifier)]
        trackers_gas = callees[_hex(self.system.trackers)]
        return (
            row
            | cost
            | {
                "gas_verifier": verifier_gas,
                "gas_trackers": trackers_gas,
                "gas_pool": cost["gas_execution"] - verifier_gas - trackers_gas,
            }
        )


def _parts(air: Air, public: Any, proof: Proof, options: Options) -> dict[str, int]:
    """Bytes of a proof: opened rows, Merkle paths, FRI's values, and the rest (roots, frame, polynomial)."""
    parts = {"rest": 0, "rows": 0, "paths": 0, "fri": 0}
    for section, _, length, _ in layout(air, public, proof, options):
        known = [("paths", "paths"), ("rows", "rows"), ("values", "fri")]
        parts[next((part for word, part in known if word in section), "rest")] += length
    return parts


def _proxy_gas(size: int) -> int:
    """What an EIP-1167 proxy uses to hand `size` bytes on to a cold address."""
    words_ = (size + 31) // 32
    return 2_600 + 3 * words_ + words_ * words_ // 512 + 3 * words_ + 57


def _peer(number: int) -> Account:
    return Account(keccak256(f"peer {number}".encode())[12:])


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
