"""Peers as processes over the boundary of an epoch: receipts of both, none lost, taken by a tracker."""

import json
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from axon.aggregator.commands_chain import torrent_blocks
from axon.bls import BlsSecret
from axon.bt import parse_torrent
from axon.chain.artifacts import artifact
from axon.chain.contract import deploy
from axon.demo.node import node_demo_chain
from axon.ids import format_account, parse_account
from axon.keys import NodeSecret
from axon.receiptlog import ReceiptLog, Role
from axon.receipts import RECEIPT_SIZE
from axon.rewards.pools import read_rules
from tests.interop.anvil import anvil, free_port
from tests.interop.peers import (
    add,
    assert_same,
    download,
    libtorrent_session,
    make_torrent,
    seed,
    wait_until,
    write_files,
)
from tests.tracker.running import tracker

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(180)]

POOL = "0x" + "77" * 20


def receipts(data, role):
    """The latest of each ledger in a peer's log."""
    log = ReceiptLog(data / "receipts.sqlite")
    assert not log.equivocations()
    found = list(log.latest(role=role))
    log.close()
    return found


def taken(running, chain_id, pool, epochs):
    """What a tracker hands out."""
    found = []
    for epoch in epochs:
        status, body = running.get(f"/epochs/{pool}/{epoch}/receipts?chain_id={chain_id}")
        assert status == 200
        found += [body[at : at + RECEIPT_SIZE] for at in range(0, len(body), RECEIPT_SIZE)]
    return sorted(found)


def test_a_boundary_under_a_swarm_with_libtorrent(tmp_path):
    """Clocks are this machine's; a schedule is given by flags; libtorrent is served all along."""
    write_files(tmp_path / "source", {"film.bin": 5_000_000})
    torrent = make_torrent(tmp_path / "source", "film.bin", tmp_path / "t.torrent", "hybrid")
    info_hash = parse_torrent(Path(torrent).read_bytes()).info_hash
    blocks = torrent_blocks(Path(torrent), info_hash)
    start, length = int(time.time()) - 1, 6
    rules = {"chain_id": 5, "pool": POOL, "info_hash": info_hash.hex(), "blocks": blocks}
    rules |= {"start": start, "epoch_length": length}
    (tmp_path / "pools.json").write_text(json.dumps({"pools": [rules]}))
    flags = ["--chain-id", "5", "--pool", POOL, "--epoch-start", str(start), "--epoch-length", str(length)]
    with ExitStack() as stack:
        book = ["--data", str(tmp_path / "tracker"), "--pools", str(tmp_path / "pools.json"), "--plain"]
        running = stack.enter_context(tracker(*book))
        flags += ["--announce", running.base + "/announce"]
        source = stack.enter_context(
            seed(torrent, tmp_path / "source", tmp_path / "a", "--max-up", "600K", *flags)
        )
        leech = stack.enter_context(
            download(
                torrent,
                tmp_path / "out",
                tmp_path / "b",
                "--peer",
                f"127.0.0.1:{source.port}",
                "--seed",
                "--verbose",
                *flags,
            )
        )
        session = stack.enter_context(libtorrent_session())
        (tmp_path / "foreign").mkdir()
        foreign = add(session, torrent, tmp_path / "foreign")
        foreign.connect_peer(("127.0.0.1", source.port))
        leech.wait_for("epoch", 60)  # the download takes longer than an epoch, however slow the machine
        leech.wait_for("complete", 60)
        wait_until(lambda: foreign.status().is_seeding, 60, "libtorrent's download")
        assert leech.stop() == source.stop() == 0
        held = receipts(tmp_path / "a", Role.RECEIVED)
        given = receipts(tmp_path / "b", Role.GIVEN)
        assert len({receipt.epoch for receipt in held}) >= 2
        assert [one.serialize() for one in held] == [one.serialize() for one in given]
        # libtorrent gave some blocks too, which nobody is paid for; no block counts twice.
        assert 0.4 * blocks < sum(one.blocks for one in held) <= blocks
        epochs = {one.epoch for one in held}
        assert taken(running, 5, POOL, epochs) == sorted(one.serialize() for one in held)
    for name in ("out", "foreign"):
        assert_same(tmp_path / "source" / "film.bin", tmp_path / name / "film.bin")
    hung_up = [event for event in leech.events if event["event"] == "disconnected"]
    assert all("axon" not in str(event["why"]) for event in hung_up)


def test_the_pool_s_contract_says_when_epochs_are(tmp_path):
    """Epochs of twelve real seconds on a node that goes away half-way; one peer never reaches a node."""
    write_files(tmp_path / "source", {"film.bin": 8_000_000})
    torrent = make_torrent(tmp_path / "source", "film.bin", tmp_path / "t.torrent", "v1")
    info_hash = parse_torrent(Path(torrent).read_bytes()).info_hash
    blocks = torrent_blocks(Path(torrent), info_hash)
    secrets = {name: NodeSecret.load_or_create(tmp_path / name / "node.key") for name in ("a", "b")}
    with ExitStack() as stack:
        node = stack.enter_context(ExitStack())
        url = node.enter_context(anvil())
        demo = node_demo_chain(url, None, None, 12)
        demo.register_trackers([BlsSecret(5)])
        pool = demo.open_pool(info_hash, blocks, {}, deploy(demo.chain, artifact("mocks/verifier")).address)
        for name, secret in secrets.items():
            demo.join(name, secret)
        rules = read_rules(pool, blocks)
        (tmp_path / "pools.json").write_text(json.dumps({"pools": [rules.to_json()]}))
        book = ["--data", str(tmp_path / "tracker"), "--pools", str(tmp_path / "pools.json"), "--plain"]
        running = stack.enter_context(tracker(*book))
        address = format_account(pool.address)
        flags = ["--announce", running.base + "/announce", "--pool", address]
        source = stack.enter_context(
            seed(torrent, tmp_path / "source", tmp_path / "a", "--max-up", "600K", "--rpc", url, *flags)
        )
        there = ["--peer", f"127.0.0.1:{source.port}"]
        leech = stack.enter_context(
            download(torrent, tmp_path / "out", tmp_path / "b", "--rpc", url, *there, *flags)
        )
        first = source.wait_for("epoch")["epoch"]
        leech.wait_for("epoch")
        node.close()
        dead = f"http://127.0.0.1:{free_port()}"
        lonely = stack.enter_context(
            download(torrent, tmp_path / "lonely", tmp_path / "c", "--rpc", dead, *there, *flags)
        )
        assert "receipts wait" in lonely.wait_for("warning")["message"]
        assert source.wait_for("epoch", 60)["pool"] == address
        leech.wait_for("complete", 90)
        assert leech.finish() == 0
        lonely.wait_for("complete", 90)
        assert lonely.finish() == 0
        assert source.stop() == 0
        held, given = receipts(tmp_path / "a", Role.RECEIVED), receipts(tmp_path / "b", Role.GIVEN)
        mine = [one for one in held if one.downloader == secrets["b"].public]
        assert [one.serialize() for one in mine] == [one.serialize() for one in given]
        assert len({one.epoch for one in mine}) >= 2
        assert {(one.chain_id, one.pool) for one in mine} == {(31337, parse_account(address))}
        epochs = range(first, 11)
        assert taken(running, 31337, address, epochs) == sorted(one.serialize() for one in mine)
        # What leech and the lonely one exchanged was not signed for: no receipt of a scope without terms.
        assert sum(one.blocks for one in mine) <= blocks
        assert not receipts(tmp_path / "c", Role.GIVEN)
    for name in ("out", "lonely"):
        assert_same(tmp_path / "source" / "film.bin", tmp_path / name / "film.bin")
