"""A pool's whole life on a real node through JSON-RPC: real proof, real BLS quorum, two tokens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account as EthAccount

from axon.bls import BlsSecret
from axon.chain.artifacts import artifact
from axon.chain.attestation import attestation_digest, combine
from axon.chain.chain import Chain
from axon.chain.contract import Contract, deploy
from axon.chain.deploy import Deployment, deploy_system
from axon.chain.embedded import EmbeddedAccount, EmbeddedChain
from axon.chain.pool import Terms, TokenTerms, Totals, create_pool, pools_of
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError, ConfigError
from axon.ids import Epoch, InfoHash
from axon.keys import NodeSecret
from axon.receipts import check_binding, sign_binding
from axon.stark.vyper import envelope
from tests.contracts.epochs import prove_epoch
from tests.interop.anvil import MNEMONIC, anvil, free_port, rpc, travel

pytestmark = pytest.mark.interop
EthAccount.enable_unaudited_hdwallet_features()
EPOCH = 3600
PEERS = 3


def wallet(number: int) -> KeyWallet:
    """One of the node's funded accounts."""
    return KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}").key))


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with anvil() as url:
        yield url


def live(publisher: Chain, peers: list[Chain], aggregator: Chain, pass_time: object) -> dict[str, int]:
    """Create, stake two tokens, join, settle, claim, sweep; return the gas of each."""
    assert callable(pass_time)
    gas: dict[str, int] = {}
    system = deploy_system(publisher)
    registry = Contract(publisher, artifact("trackers"), system.trackers)
    secrets = [BlsSecret(700 + k) for k in range(3)]
    for secret in secrets:
        gas["register"] = registry.transact("register", secret.public, secret.prove_possession()).gas_used
    verifier = deploy(publisher, artifact("stark/axr1_100"))
    tokens = [deploy(publisher, artifact("mocks/token"), name, name) for name in ("A", "B")]
    terms = Terms(
        info_hash=InfoHash(b"\x33" * 20),
        start=publisher.now(),
        epoch_length=EPOCH,
        epochs=2,
        claim_window=EPOCH,
        quorum=2,
        c=1000,
        distribution=system.linear,
        verifier=verifier.address,
        tokens=[TokenTerms(token.address, 0) for token in tokens],
        trackers=[0, 1, 2],
        fee=100,
    )
    pool, receipt = create_pool(publisher, system, terms)
    gas["create"] = receipt.gas_used
    for token in tokens:
        token.transact("mint", publisher.account, 10**21)
        gas["stake"] = pool.approve_and_stake(token.address, 10**21).gas_used
    for number, chain in enumerate(peers):
        secret = NodeSecret(bytes([number + 1]) * 32)
        binding = sign_binding(secret, chain.chain_id, pool.address, chain.account)
        assert pool.using(chain).join(secret.public, binding) == number
    for member in pool.members():
        assert check_binding(
            member.node_key, member.binding, publisher.chain_id, pool.address, member.account
        )
    pass_time(EPOCH)

    chain_id = publisher.chain_id
    air, said, proof = prove_epoch(
        60,
        12,
        len(peers),
        {"chain_id": chain_id, "pool": pool.address, "epoch": Epoch(0), "submitter": aggregator.account},
    )
    root = said.root.ljust(32, b"\0")
    digest = attestation_digest(chain_id, pool.address, 0, root, pool.rules_hash())
    quorum = combine(terms.trackers, {k: secrets[k].sign(digest) for k in (0, 2)})
    totals = Totals(said.sum_trust, said.sum_pretrust)
    arguments = (0, root, quorum, totals, said.shares, envelope(air, proof))
    with pytest.raises(ChainError, match="pool: attestation refused"):
        lone = combine(terms.trackers, {0: secrets[0].sign(digest)})._replace(signers=0b101)
        pool.using(aggregator).settle(0, root, lone, *arguments[3:])
    with pytest.raises(ChainError, match="verifier: "):
        pool.settle(*arguments)  # somebody else's proof
    gas["settle"] = pool.using(aggregator).settle(*arguments).gas_used

    shares = pool.shares_of(0)
    assert shares.shares == list(said.shares)
    pool.claim(0, [0])  # anybody may send it
    for index, chain in enumerate(peers[1:], 1):
        (receipt,) = pool.using(chain).claim(index, pool.claimable_epochs(index))
        gas["claim"] = receipt.gas_used
    for token in tokens:
        budget = pool.contract.call("budget", 0, token.address)
        for index, chain in enumerate(peers):
            assert token.call("balanceOf", chain.account) == shares.payout(index, budget)
    pool.contract.transact("collect", aggregator.account)
    pass_time(3 * EPOCH)
    for token in tokens:
        pool.contract.transact("sweep", token.address)
        assert token.call("balanceOf", pool.address) == 0
    (found,) = pools_of(publisher, system, terms.info_hash)
    assert found.terms() == terms
    return gas


def test_a_pool_lives_on_a_real_node(node: str) -> None:
    views = [RpcChain(node, wallet(k)) for k in range(2 + PEERS)]
    gas = live(views[0], views[2:], views[1], lambda seconds: travel(node, seconds))  # type: ignore[arg-type]
    assert gas["settle"] < 1 << 24


def test_the_embedded_chain_does_the_same() -> None:
    chain = EmbeddedChain()
    views = [chain.using(EmbeddedAccount.named(str(k))) for k in range(2 + PEERS)]
    live(views[0], views[2:], views[1], chain.travel)  # type: ignore[arg-type]


def test_reverts_reads_and_lost_nodes_are_told_apart(node: str) -> None:
    chain = RpcChain(node, wallet(9))
    registry = deploy(chain, artifact("trackers"))
    with pytest.raises(ChainError, match="trackers: unknown id"):
        registry.call("key_of", 7)
    with pytest.raises(ChainError, match="trackers: key is not 256 bytes"):
        registry.transact("register", b"x", b"y")
    with pytest.raises(ChainError, match="no wallet"):
        RpcChain(node).transact(registry.address, b"")
    with pytest.raises(ChainError, match="node http"):
        RpcChain(f"http://127.0.0.1:{free_port()}")


def test_a_transaction_without_money_says_so(node: str) -> None:
    poor = KeyWallet(b"\x07" * 32)
    rpc(node, "anvil_setBalance", "0x" + poor.account.hex(), "0x0")
    with pytest.raises(ChainError, match=r"(?i)fund"):
        deploy(RpcChain(node, poor), artifact("trackers"))


def test_keystores_and_deployments_survive_the_disk(tmp_path: Path) -> None:
    key = KeyWallet(b"\x05" * 32)
    path = tmp_path / "keystore.json"
    key.save_keystore(path, "correct horse")
    assert KeyWallet.load(path, "correct horse").account == key.account
    assert path.stat().st_mode & 0o077 == 0
    for password in (None, "wrong"):
        with pytest.raises(ConfigError):
            KeyWallet.load(path, password)
    with pytest.raises(ConfigError):
        key.save_keystore(path, "again")
    plain = tmp_path / "key"
    plain.write_text("0x" + "05" * 32 + "\n")
    assert KeyWallet.load(plain).account == key.account
    system = deploy_system(EmbeddedChain())
    system.save(tmp_path / "deployment.json")
    assert Deployment.load(tmp_path / "deployment.json") == system
