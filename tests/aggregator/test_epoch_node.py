"""The epoch job against a real node that dies, forgets, reorders, refuses and takes its time."""

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from eth_account import Account as EthAccount

from axon.aggregator.epoch import EpochJob, Registered
from axon.bls import BlsSecret
from axon.chain.pool import Pool
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.errors import ChainError
from axon.ids import Epoch
from axon.stark import ONCHAIN_100
from tests.aggregator.node import Node, node
from tests.aggregator.world import (
    BLOCKS,
    DAY,
    SECRETS,
    TOYS,
    Ground,
    ToySecret,
    World,
    ground,
    toy_combine,
    toy_verify,
)
from tests.interop.anvil import MNEMONIC, rpc

pytestmark = [pytest.mark.interop, pytest.mark.slow]
EthAccount.enable_unaudited_hdwallet_features()


def wallet(number: int) -> KeyWallet:
    """One of the node's funded accounts."""
    return KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}").key))


class NodeWorld(World):
    """A `World` whose chain is a node's."""

    def __init__(
        self,
        home: Path,
        running: Node,
        epoch_length: int = DAY,
        patience: float = 3.0,
        quorum: int = 2,
        secrets: Sequence[ToySecret | BlsSecret] = TOYS,
    ) -> None:
        self.node = running
        self._patience = patience
        super().__init__(home, quorum=quorum, secrets=secrets, epoch_length=epoch_length)
        for tracker in self.trackers:
            tracker.hold(*self.honest())

    def _ground(self, toy: bool) -> Ground:
        return ground(RpcChain(self.node.url, wallet(0), self._patience), toy)

    def member(self, k: int) -> Pool:
        assert isinstance(self.chain, RpcChain)
        return self.pool.using(self.chain.using(wallet(k + 1)))

    def travel(self, seconds: int) -> None:
        assert isinstance(self.chain, RpcChain)
        self.chain.travel(seconds)

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Let the node die and come back."""
        before = self.chain.now()
        self.node.stop(how)
        self.start(before)

    def start(self, before: int) -> None:
        """Start the node, which forgot how far ahead of ours its time was."""
        self.node.start()
        rpc(self.node.url, "evm_increaseTime", max(0, before - int(time.time())))
        rpc(self.node.url, "evm_mine")


@pytest.fixture(autouse=True)
def signatures_without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.aggregator.trackers.verify_aggregate", toy_verify)
    monkeypatch.setattr("axon.aggregator.epoch.combine", toy_combine)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Node]:
    with node(tmp_path) as started:
        yield started


@pytest.fixture
def world(tmp_path: Path, running: Node) -> NodeWorld:
    made = NodeWorld(tmp_path, running)
    made.close_epoch()
    return made


@pytest.mark.parametrize("stage", ["receipts", "root", "quorum", "proof"])
def test_a_node_that_dies_between_two_stages_costs_only_time(world: NodeWorld, stage: str) -> None:
    dead, before = False, world.chain.now()

    def die(name: str, facts: Mapping[str, object]) -> None:
        nonlocal dead
        if name == stage and not dead:
            dead = True
            world.node.stop()

    with pytest.raises(ChainError, match=f"node {world.node.url}"):
        world.job(report=die).run()
    world.start(before)
    asked = [len(tracker.asked) for tracker in world.trackers]
    done = world.job().run()
    assert done.gas_used > 21_000
    assert world.pool.shares_of(0).shares == list(done.statement.shares)
    if stage in ("quorum", "proof"):  # nobody was asked twice
        assert [len(tracker.asked) for tracker in world.trackers] == asked


def test_a_node_killed_while_the_transaction_waits_for_a_block(world: NodeWorld) -> None:
    world.restart()  # what it was told so far is on its disk
    rpc(world.node.url, "evm_setAutomine", False)
    before = world.chain.now()

    def kill(name: str, facts: Mapping[str, object]) -> None:
        if name == "proof":
            threading.Timer(1.0, world.node.stop, [signal.SIGKILL]).start()

    with pytest.raises(ChainError, match="node http://127"):
        world.job(report=kill).run()
    world.start(before)
    assert world.pool.settled_epochs() == []
    assert world.job().run().gas_used > 21_000


def test_a_transaction_that_no_block_takes_may_be_taken_later(world: NodeWorld) -> None:
    rpc(world.node.url, "evm_setAutomine", False)
    with pytest.raises(ChainError, match="not in a block after 3 s; it may still be taken up"):
        world.job().run()
    rpc(world.node.url, "evm_mine")  # taken up, while nobody looks
    done = world.job().run()
    assert (done.gas_used, world.pool.settled_epochs()) == (0, [0])


def test_a_settlement_in_a_block_that_the_chain_abandons_is_sent_again(world: NodeWorld) -> None:
    first = world.job().run()
    rpc(world.node.url, "anvil_reorg", 1, [])
    assert world.pool.settled_epochs() == []
    again = world.job().run()
    assert (again.proof, again.gas_used > 21_000) == (first.proof, True)
    assert "forgotten" in world.warnings()
    assert world.pool.settled_epochs() == [0]


def test_a_join_that_the_chain_abandons_is_not_settled(tmp_path: Path, running: Node) -> None:
    """The proof was made for three members; after the reordering there are four."""
    world = NodeWorld(tmp_path, running)
    before = rpc(running.url, "evm_snapshot")
    world.close_epoch()
    first = world.job().run(dry=True)
    rpc(running.url, "evm_revert", before)
    world.join(3, SECRETS[3])
    world.close_epoch()
    done = world.job().run()
    assert (len(first.statement.shares), len(done.statement.shares)) == (3, 4)
    assert "other members or terms" in world.warnings()
    assert world.pool.settled_epochs() == [0]


def test_signatures_that_the_contract_refuses_are_asked_for_again(world: NodeWorld) -> None:
    first = world.job().run(dry=True)
    kept = world.home / "job" / "attestation.json"
    text = kept.read_text()
    kept.write_text(text.replace(text[-10:-4], "000000"))  # of the last signature
    with pytest.raises(ChainError, match="pool: attestation refused: the kept signatures are dropped"):
        world.job().run()
    assert not kept.exists()
    done = world.job().run()
    assert (done.proof, done.gas_used > 21_000) == (first.proof, True)


def test_a_wallet_without_coin_is_told_so_and_loses_nothing(world: NodeWorld) -> None:
    assert isinstance(world.chain, RpcChain)
    poor = world.pool.using(world.chain.using(KeyWallet(b"\x07" * 32)))
    with pytest.raises(ChainError, match=r"(?i)insufficient funds|out of gas"):
        world.job(pool=poor).run()
    rpc(world.node.url, "anvil_setBalance", "0x" + poor.chain.account.hex(), hex(10**20))
    assert world.job(pool=poor).run().gas_used > 21_000


@pytest.mark.parametrize("flags", [("--block-time", "1", "--mixed-mining"), ()])
def test_an_epoch_is_waited_out_in_real_seconds(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Also on a node that makes a block only when somebody sends something."""
    with node(tmp_path, *flags) as running:
        world = NodeWorld(tmp_path, running, epoch_length=6, patience=20.0)
        world.tell_trackers()
        with pytest.raises(
            ChainError, match=r"epoch 0 ends at 20..-..-.. ..:..:.. UTC, in \d seconds: run again"
        ):
            world.job().run()
        registered = [Registered(k, t, world.secrets[k].public) for k, t in enumerate(world.trackers)]
        job = EpochJob(tmp_path / "job", world.pool, Epoch(0), BLOCKS, registered, ONCHAIN_100, world.note)
        assert job.run(wait=True).gas_used > 21_000
        assert world.pool.settled_epochs() == [0]
        assert "waiting" in [stage for stage, _ in world.events]


def test_a_node_that_restarts_during_the_wait_is_waited_for(tmp_path: Path, running: Node) -> None:
    world = NodeWorld(tmp_path, running, epoch_length=15)
    world.tell_trackers()
    world.restart()
    naps = list[float]()

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1:
            running.stop(signal.SIGKILL)
        elif not running.alive():
            running.start()
        else:
            rpc(running.url, "evm_increaseTime", 15)

    registered = [Registered(k, t, world.secrets[k].public) for k, t in enumerate(world.trackers)]
    home = tmp_path / "job"
    job = EpochJob(home, world.pool, Epoch(0), BLOCKS, registered, ONCHAIN_100, world.note, sleep=nap)
    assert job.run(wait=True).gas_used > 21_000
    assert f"node {running.url}" in world.warnings()
