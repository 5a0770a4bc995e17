"""The whole line: three trackers, five peers of ours, libtorrent, a node, the aggregator; killed at random.

Trackers, peers and the aggregator are processes that get SIGKILL while they work and are started again;
what is paid in the end is what the receipts on the peers' disks say, to the last unit.
"""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from axon.aggregator.commands_chain import torrent_blocks
from axon.aggregator.matrix import settled_matrix
from axon.bls import BlsSecret
from axon.bt import parse_torrent
from axon.chain.deploy import deploy_reward_verifier
from axon.chain.rpc import RpcChain
from axon.demo.chain import DemoChain
from axon.demo.node import node_demo_chain, publisher_wallet
from axon.ids import Epoch
from axon.keys import NodeSecret
from axon.receiptlog import ReceiptLog, Role
from axon.rewards.epoch import rebuild
from axon.rewards.pools import read_rules
from axon.stark import ONCHAIN_100
from tests.interop.anvil import anvil, travel
from tests.interop.peers import (
    Ours,
    add,
    assert_same,
    libtorrent_session,
    make_torrent,
    wait_until,
    write_files,
)
from tests.tracker.running import Running, tracker

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(240)]

SIZE = 8 << 20
NAMES = ["seed", "canary", "host-1", "host-2", "rider"]
UPLOAD = {"seed": 6_000_000, "canary": 2_000_000, "host-1": 4_000_000, "host-2": 2_000_000, "rider": 1}
WEIGHTS = {"canary": 3, "host-1": 1}
PATIENCE = 90.0  # seconds for the slowest download


class Swarm:
    """Trackers and peers that can be killed and come back as themselves."""

    def __init__(self, home: Path, stack: ExitStack, torrent: Path, flags: list[str]) -> None:
        self.home = home
        self.torrent = torrent
        self.flags = flags
        self.trackers: list[Running] = []
        self.peers: dict[str, Ours] = {}
        self._stack = stack

    def start_tracker(self, number: int) -> None:
        address = self.trackers[number].where["http"][0] if number < len(self.trackers) else "127.0.0.1:0"
        data, pools = str(self.home / f"tracker-{number}"), str(self.home / "pools.json")
        flags = ["--http", address, "--udp", "none", "--data", data, "--pools", pools, "--plain"]
        running = self._stack.enter_context(tracker(*flags, default=False))
        if number < len(self.trackers):
            self.trackers[number] = running
        else:
            self.trackers.append(running)

    def start_peer(self, name: str, *more: str) -> None:
        folder = self.home / ("original" if name == "seed" else f"{name}-files")
        folder.mkdir(exist_ok=True)
        command = ["seed"] if name == "seed" else ["download"]
        arguments = [*command, str(self.torrent), "--dir", str(folder), "--listen", "127.0.0.1:0", "--no-dht"]
        if name != "seed":
            arguments += ["--seed", "--peer", f"127.0.0.1:{self.peers['seed'].port}"]
        arguments += ["--max-up", str(UPLOAD[name]), *self.flags, *more]
        for running in self.trackers:
            arguments += ["--announce", running.base + "/announce"]
        self.peers[name] = Ours(*arguments, data=self.home / name)
        self._stack.callback(end, self.peers[name])

    def kill_peer(self, name: str) -> None:
        self.peers[name].process.kill()
        self.peers[name].process.wait()
        self.start_peer(name)

    def kill_tracker(self, number: int) -> None:
        self.trackers[number].stop(signal.SIGKILL)
        self.start_tracker(number)


def end(peer: Ours) -> None:
    if peer.process.poll() is None:
        peer.process.kill()
        peer.process.wait()


@contextmanager
def chain_of(url: str) -> Iterator[DemoChain]:
    yield node_demo_chain(url, None, None, None)


def aggregator(*arguments: str, kill_at: str | None = None) -> tuple[int, str]:
    """Run the aggregator; kill -9 it when it reports a stage."""
    process = subprocess.Popen(
        [sys.executable, "-m", "axon.aggregator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None and process.stdout is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if kill_at is not None and line.startswith(kill_at):
                process.kill()
        out = process.stdout.read()
        code = process.wait(120)
        return code, out if code == 0 else "".join(said)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_from_a_swarm_to_claims_whatever_is_killed(tmp_path: Path) -> None:
    dice = random.Random(6)
    write_files(tmp_path / "original", {"film.bin": SIZE})
    torrent = make_torrent(tmp_path / "original", "film.bin", tmp_path / "film.torrent", "hybrid")
    info_hash = parse_torrent(Path(torrent).read_bytes()).info_hash
    assert info_hash is not None
    blocks = torrent_blocks(Path(torrent), info_hash)
    secrets = {name: NodeSecret.load_or_create(tmp_path / name / "node.key") for name in NAMES}
    with ExitStack() as stack:
        url = stack.enter_context(anvil())
        demo = stack.enter_context(chain_of(url))
        keys = [BlsSecret.load_or_create(tmp_path / f"tracker-{k}" / "bls.key") for k in range(3)]
        demo.register_trackers(keys)
        weights = {secrets[name].public: weight for name, weight in WEIGHTS.items()}
        pool = demo.open_pool(
            info_hash, blocks, weights, deploy_reward_verifier(demo.chain, ONCHAIN_100.name)
        )
        index = {name: demo.join(name, secrets[name]) for name in NAMES}
        rules = read_rules(pool, blocks)
        (tmp_path / "pools.json").write_text(json.dumps({"pools": [rules.to_json()]}))
        scope = rules.of_epoch(Epoch(0)).scope
        address = "0x" + pool.address.hex()
        flags = ["--chain-id", str(scope.chain_id), "--pool", address, "--epoch", "0"]
        swarm = Swarm(tmp_path, stack, Path(torrent), flags)
        for k in range(3):
            swarm.start_tracker(k)

        # A swarm, and a hand that kills.
        for name in NAMES:
            swarm.start_peer(name)
        session = stack.enter_context(libtorrent_session())
        (tmp_path / "libtorrent").mkdir()
        foreign = add(session, torrent, tmp_path / "libtorrent")
        for name in ("seed", "host-1"):
            foreign.connect_peer(("127.0.0.1", swarm.peers[name].port))
        for _ in range(3):
            time.sleep(dice.uniform(0.2, 0.8))
            swarm.kill_peer(dice.choice(NAMES[1:]))
            time.sleep(dice.uniform(0.1, 0.4))
            swarm.kill_tracker(dice.randrange(3))
        for name in NAMES[1:]:
            swarm.peers[name].wait_for("complete", PATIENCE)
            assert_same(tmp_path / "original" / "film.bin", tmp_path / f"{name}-files" / "film.bin")
        foreign.connect_peer(("127.0.0.1", swarm.peers["seed"].port))
        wait_until(lambda: foreign.status().is_seeding, what="libtorrent's download", timeout=PATIENCE)
        assert_same(tmp_path / "original" / "film.bin", tmp_path / "libtorrent" / "film.bin")
        for name in NAMES:
            assert swarm.peers[name].stop() == 0

        # What the peers' own disks say.
        held, signed = list[bytes](), list[bytes]()
        for name in NAMES:
            log = ReceiptLog(tmp_path / name / "receipts.sqlite")
            held += [r.serialize() for r in log.latest(pool=pool.address, role=Role.RECEIVED)]
            signed += [r.serialize() for r in log.latest(pool=pool.address)]
            log.close()
        expected = rebuild(rules.of_epoch(Epoch(0)), [held])
        # Of four downloads, each kill loses what was not signed yet: two seconds' worth, most of one here.
        assert expected.collected.edges.blocks.sum() > blocks // 2
        assert not expected.collected.equivocations

        # The epoch ends; the aggregator is killed at every stage, and a tracker between two of them.
        travel(url, pool.terms().start + 86_400 - demo.chain.now())
        (tmp_path / "wallet").write_text(publisher_wallet(None, None)[1].hex())
        common = ["--rpc", url, "--pool", address, "--epoch", "0"]
        job = [*common, "--key-file", str(tmp_path / "wallet"), "--torrent", str(torrent)]
        job += ["--data", str(tmp_path / "job"), "--report", str(tmp_path / "report"), "--json"]
        job += [part for running in swarm.trackers for part in ("--tracker", running.base)]
        for stage in ("receipts", "attested", "proving", "proof", "settled"):
            code, _ = aggregator("settle", *job, kill_at=stage)
            assert code in (-signal.SIGKILL, 0)  # it may be done before the signal arrives
            if stage == "receipts":
                swarm.kill_tracker(dice.randrange(3))
        code, out = aggregator("settle", *job)
        assert code == 0, out
        told = json.loads(out)
        assert (tmp_path / "report" / "report.png").exists()
        assert told["proven_bits"] >= 100

        # The outcome is that of the receipts on disk, and everybody can see it.
        assert pool.settled_epochs() == [0]
        assert tuple(pool.shares_of(0).shares) == expected.shares
        code, out = aggregator("verify", *common, "--json")
        assert code == 0, out
        assert json.loads(out)["valid"] is True
        code, out = aggregator("rules", *common[:4], "--torrent", str(torrent))
        assert json.loads(out) == json.loads((tmp_path / "pools.json").read_text())
        logs = [str(tmp_path / name / "receipts.sqlite") for name in NAMES]
        code, out = aggregator(
            "shares", *logs, "--pools", str(tmp_path / "pools.json"), "--epoch", "0", "--json"
        )
        # Who was killed may have signed for more than it could hand over: the logs have that, too.
        everything = rebuild(rules.of_epoch(Epoch(0)), [signed])
        assert [peer["share"] for peer in json.loads(out)["peers"]] == list(everything.shares)
        assert everything.collected.edges.blocks.sum() >= expected.collected.edges.blocks.sum()
        code, out = aggregator("matrix", *common, "--json")
        assert json.loads(out) == told["rewards"]

        # Paid to the last unit; the client without the extension was served and earns nothing.
        matrix = settled_matrix(pool, Epoch(0))
        for name in NAMES:
            demo.claim(name, index[name], [0])
            for token, column in zip(demo.tokens, matrix.tokens, strict=True):
                assert demo.balance(token, name) == column.payouts[index[name]]
        # Whose receipts a kill loses is chance, but who serves hardly anything never has the most.
        rider = expected.shares[index["rider"]]
        assert rider < min(expected.shares[index[name]] for name in ("seed", "host-1"))
        assert len(expected.collected.keys) == len(NAMES)
        assert isinstance(demo.chain, RpcChain)
