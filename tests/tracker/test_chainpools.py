"""A tracker that reads its pools from the chain: it follows joins, and does without the node."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from axon.bt import parse_torrent
from axon.bt.inclusion import decode_answer
from axon.chain.embedded import EmbeddedChain
from axon.errors import ConfigError
from axon.ids import InfoHash
from axon.keys import NodeSecret
from axon.receipts import Receipt
from axon.rewards.pools import read_rules
from axon.tracker.chainpools import PoolFollower
from axon.tracker.config import load_config
from tests.aggregator.node import Node, node
from tests.aggregator.test_epoch_node import NodeWorld
from tests.aggregator.world import BLOCKS, SECRETS, TORRENT, World
from tests.interop.peers import make_torrent, write_files
from tests.tracker.running import Running, tracker


def test_a_pool_is_followed_as_it_is_read_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, SECRETS[:2])
    follower = PoolFollower(world.chain, world.pool.address, {TORRENT: BLOCKS})
    assert follower.refresh() == read_rules(world.pool, BLOCKS)
    world.join(2, SECRETS[2])
    world.member(0).leave()
    assert follower.refresh() == read_rules(world.pool, BLOCKS)
    assert [member.left for member in follower.refresh().members] == [0, None, None]
    for _ in range(70):  # now all of that is in blocks that do not change any more
        world.travel(1)
        world.chain.transact(world.pool.address, world.pool.contract.calldata("rules_hash"))
    assert follower.refresh() == follower.refresh() == read_rules(world.pool, BLOCKS)
    world.join(3, SECRETS[3])
    assert follower.refresh() == read_rules(world.pool, BLOCKS)
    assert isinstance(world.chain, EmbeddedChain)


def test_a_pool_without_its_torrent_is_a_clear_error(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(ConfigError, match=f"is for {TORRENT.hex()}: give its --torrent"):
        PoolFollower(world.chain, world.pool.address, {b"other": 1})


def test_what_belongs_together_is_asked_for_together() -> None:
    for flags in (["--rpc", "http://x"], ["--pool", "0x" + "11" * 20], ["--rpc", "x"], ["--pool", "x"]):
        with pytest.raises(ConfigError):
            load_config(flags, {})
    pool, more = "0x" + "11" * 20, ["--data", "d", "--torrent", "t"]
    config = load_config(more, {"AXON_TRACKER_RPC": "http://x", "AXON_TRACKER_POOL": f"{pool} {pool}"})
    assert config.pool == (bytes.fromhex(pool[2:]),) * 2


def submitted(running: Running, receipt: Receipt) -> str:
    body = receipt.serialize()
    status, answer = running.get("/receipts", body)
    assert status == 200
    ((verdict,), _) = decode_answer(answer, body)
    return verdict.status


def until(wanted: str, look: Callable[[], str]) -> None:
    deadline = time.monotonic() + 40
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@pytest.mark.interop
@pytest.mark.slow
def test_a_tracker_takes_up_joins_and_outlives_its_node(tmp_path: Path) -> None:
    write_files(tmp_path / "files", {"film.bin": 1 << 20})
    torrent = Path(make_torrent(tmp_path / "files", "film.bin", tmp_path / "film.torrent", "v1"))
    info_hash = InfoHash(parse_torrent(torrent.read_bytes()).handshake_hashes[0][:20])

    class OfThisTorrent(NodeWorld):
        torrent = info_hash

    def numbered(down: NodeSecret, up: NodeSecret, number: int) -> Receipt:
        return world.receipt(down, up, number, number)

    with node(tmp_path) as running_node:
        assert isinstance(running_node, Node)
        world = OfThisTorrent(tmp_path, running_node)
        flags = ["--rpc", running_node.url, "--pool", "0x" + world.pool.address.hex(), "--poll", "1"]
        flags += ["--torrent", str(torrent), "--data", str(tmp_path / "data"), "--plain"]
        with tracker(*flags) as running:
            numbers = iter(range(1, 1000))
            until("stored", lambda: submitted(running, numbered(SECRETS[0], SECRETS[1], next(numbers))))
            assert submitted(running, numbered(SECRETS[3], SECRETS[0], 1)) == "rejected"  # no member
            world.join(3, SECRETS[3])
            until("stored", lambda: submitted(running, numbered(SECRETS[3], SECRETS[0], next(numbers))))
            running_node.stop(signal.SIGKILL)
            time.sleep(1.5)
            assert submitted(running, numbered(SECRETS[3], SECRETS[0], next(numbers))) == "stored"
        with tracker(*flags) as running:  # without a node it goes by what it knew
            assert submitted(running, numbered(SECRETS[3], SECRETS[0], next(numbers))) == "stored"
            assert submitted(running, numbered(SECRETS[4], SECRETS[0], 1)) == "rejected"
    rows = json.loads((tmp_path / "data" / "chain-pools.json").read_text())["pools"]
    assert len(rows[0]["members"]) == 4
