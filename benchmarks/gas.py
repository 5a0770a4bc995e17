"""What a pool costs on a real node: python benchmarks/gas.py [--quick] [--json FILE]

Every figure is a whole transaction's on anvil (Osaka rules, the transaction cap of EIP-7825 on).
`floor` is what EIP-7623 asks for the calldata alone; `execution` is what remains of the
node's figure without 21000 and calldata at its ordinary price, and is unknown where the
floor binds: there it is measured in the embedded EVM.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from eth_account import Account as EthAccount
from rich.console import Console
from rich.table import Table

from axon.bls import BlsSecret
from axon.chain.artifacts import artifact
from axon.chain.attestation import attestation_digest, combine
from axon.chain.chain import Chain, TxReceipt
from axon.chain.contract import Contract, deploy
from axon.chain.deploy import deploy_system
from axon.chain.pool import Pool, Terms, TokenTerms, Totals, create_pool
from axon.chain.rpc import RpcChain
from axon.chain.shares import pack_shares
from axon.chain.wallet import KeyWallet
from axon.ids import Epoch, InfoHash, NodeKey
from axon.merkle import keccak256
from axon.stark import COMPACT_100, ONCHAIN_100, Options
from axon.stark.verifier import layout
from axon.stark.vyper import envelope
from tests.contracts.epochs import prove_epoch
from tests.interop.anvil import MNEMONIC, anvil, rpc, travel

SIGNERS = 7
EPOCH = 3600
CASES: list[tuple[str, Options, int, int, int]] = [  # verifier, options, edges, peers, joined
    ("stark/axr1_compact_100", COMPACT_100, 6_000, 500, 10),
    ("stark/axr1_compact_100", COMPACT_100, 6_000, 500, 100),
    ("stark/axr1_100", ONCHAIN_100, 6_000, 500, 100),
    ("stark/axr1_100", ONCHAIN_100, 20_000, 2_000, 1_000),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the reference epoch only")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with anvil() as url:
        world = World(url)
        rows += world.rows
        for case in CASES[1:2] if args.quick else CASES:
            rows += world.epoch(*case)
    show(rows)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")


class World:
    """One node with the system on it."""

    def __init__(self, url: str) -> None:
        EthAccount.enable_unaudited_hdwallet_features()
        self.url = url
        self.chain: Chain = RpcChain(url, KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC).key)))
        self.system = deploy_system(self.chain)
        self.registry = Contract(self.chain, artifact("trackers"), self.system.trackers)
        self.secrets = [BlsSecret(9_000 + k) for k in range(SIGNERS)]
        self.rows: list[dict[str, Any]] = []
        for secret in self.secrets:
            proof = secret.prove_possession()
            receipt = self.registry.transact("register", secret.public, proof)
        self.add("register a tracker", receipt, self.registry.calldata("register", secret.public, proof))
        self.token = deploy(self.chain, artifact("mocks/token"), "T", "T")
        self.token.transact("mint", self.chain.account, 10**30)
        message = keccak256(b"message")
        quorum = combine(list(range(SIGNERS)), {k: s.sign(message) for k, s in enumerate(self.secrets)})
        arguments = (message, list(range(SIGNERS)), quorum.signature)
        receipt = self.registry.transact("verify", *arguments)
        self.add(f"attestation, {SIGNERS} signers", receipt, self.registry.calldata("verify", *arguments))

    def add(self, case: str, receipt: TxReceipt, data: bytes, **more: Any) -> None:
        zeros = data.count(0)
        standard = 21_000 + 16 * (len(data) - zeros) + 4 * zeros
        floor = 21_000 + 40 * (len(data) - zeros) + 10 * zeros
        row = {"case": case, "edges": None, "peers": None, "proven_bits": None, "gas_total": receipt.gas_used}
        row |= {"gas_execution": receipt.gas_used - standard if receipt.gas_used > floor else None}
        self.rows.append(row | {"gas_floor": floor, "calldata_bytes": len(data)} | more)

    def epoch(self, name: str, options: Options, edges: int, peers: int, joined: int) -> list[dict[str, Any]]:
        self.rows = []
        verifier = deploy(self.chain, artifact(name))
        pool, receipt = self.open(verifier)
        label = f"{options.name}, {edges} edges, {peers} peers, {joined} joined"
        if joined == 100:
            self.add("create a pool", receipt, b"")
            receipt = pool.approve_and_stake(self.token.address, 10**24)
            self.add("stake", receipt, pool.contract.calldata("stake", self.token.address, 10**24))
        else:
            pool.approve_and_stake(self.token.address, 10**24)
        for number in range(joined):
            wallet = KeyWallet(keccak256(f"peer {number} {name}".encode()))
            rpc(self.url, "anvil_setBalance", "0x" + wallet.account.hex(), hex(10**19))
            key = NodeKey(keccak256(number.to_bytes(4, "big")))
            view = pool.using(self.chain.using(wallet))
            receipt = view.contract.transact("join", key, b"\x5a" * 64)
        if joined == 100:
            self.add("join", receipt, pool.contract.calldata("join", key, b"\x5a" * 64))
        travel(self.url, EPOCH)
        said = {"chain_id": self.chain.chain_id, "pool": pool.address, "epoch": Epoch(0)}
        said["submitter"] = self.chain.account
        air, statement, proof = prove_epoch(edges, peers, joined, said, options=options)
        root = statement.root.ljust(32, b"\0")
        digest = attestation_digest(self.chain.chain_id, pool.address, 0, root, pool.rules_hash())
        quorum = combine(list(range(SIGNERS)), {k: s.sign(digest) for k, s in enumerate(self.secrets)})
        totals = Totals(statement.sum_trust, statement.sum_pretrust)
        arguments = (0, root, quorum, totals, pack_shares(statement.shares), envelope(air, proof))
        receipt = pool.contract.transact("settle", *arguments)
        parts: Counter[str] = Counter()
        for section, _, length, _ in layout(air, statement.public(), proof, options):
            kind = "paths" if "paths" in section else "rows" if "rows" in section else "fri values"
            parts[kind if "rows" in section or "paths" in section or "values" in section else "rest"] += (
                length
            )
        more = {"edges": edges, "peers": peers, "joined": joined, "log_rows": air.log_rows}
        more |= {"proven_bits": int(options.security_bits(air)), "proof_bytes": dict(parts)}
        self.add(f"settle: {label}", receipt, pool.contract.calldata("settle", *arguments), **more)
        shares = pool.shares_of(0)
        for index in (0, joined // 2):
            (receipt,) = pool.claim(index, [0])
        self.add(f"claim of {joined}", receipt, pool.contract.calldata("claim", index, [shares.claim(index)]))
        return self.rows

    def open(self, verifier: Contract) -> tuple[Pool, TxReceipt]:
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
            tokens=[TokenTerms(self.token.address, 0)],
            trackers=list(range(SIGNERS)),
            fee=100,
        )
        return create_pool(self.chain, self.system, terms, keccak256(str(self.chain.now()).encode()))


def show(rows: list[dict[str, Any]]) -> None:
    table = Table("case", "total gas", "execution", "calldata floor", "calldata bytes", "proven bits")
    for row in rows:
        table.add_row(
            row["case"],
            f"{row['gas_total']:,}",
            f"{row['gas_execution']:,}" if row["gas_execution"] is not None else "below floor",
            f"{row['gas_floor']:,}",
            f"{row['calldata_bytes']:,}",
            str(row["proven_bits"] or ""),
        )
    console = Console()
    console.print(table)
    for row in rows:
        if "proof_bytes" in row:
            parts = ", ".join(f"{name} {size:,}" for name, size in row["proof_bytes"].items())
            console.print(f"{row['case']}: 2^{row['log_rows']} rows; proof bytes: {parts}")


if __name__ == "__main__":
    main()
