"""The epoch follows the pool's schedule: from flags, from a node, from what was kept; across boundaries."""

import math

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from axon.chain.schedule import Schedule
from axon.errors import ChainError, ConfigError
from axon.ids import ZERO_ACCOUNT, InfoHash, format_account, parse_account
from axon.peer.config import Config, parse_config
from axon.peer.epochs import Epochs
from axon.peer.poolterms import PoolTerms
from axon.receiptlog import ReceiptLog, Role
from tests.peer.swarming import make_file, make_torrent, running

POOL = "0x" + "5a" * 20
TORRENT, OTHER = InfoHash(b"t" * 20), InfoHash(b"o" * 20)
TERMS = PoolTerms(31337, TORRENT, Schedule(1000, 60, 5), 1000)


@pytest.fixture
def log(tmp_path):
    log = ReceiptLog(tmp_path / "receipts.sqlite")
    yield log
    log.close()


class Wall:
    """A wall clock that trio's clock drives, and tests may set."""

    def __init__(self, start):
        self.offset = start

    def __call__(self):
        try:
            return self.offset + trio.current_time()
        except RuntimeError:  # before trio runs
            return self.offset


class Node:
    """Answers for the pool after some failures."""

    def __init__(self, terms=TERMS, failures=0):
        self.terms, self.failures, self.asked = terms, failures, 0

    async def __call__(self, url, pool):
        assert (url, pool) == ("http://node", parse_account(POOL))
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise ChainError("nobody answers")
        return self.terms


def chain_config(**more):
    return Config("seed", pool=POOL, rpc="http://node", **more)


def test_without_a_schedule_the_epoch_stays(log):
    for config, epoch in ((Config("seed"), 0), (Config("seed", epoch=7, chain_id=5, pool=POOL), 7)):
        epochs = Epochs(config, log, lambda *_: None)
        scope = epochs.scope(TORRENT)
        assert scope == (config.chain_id, parse_account(config.pool), TORRENT, epoch)


@given(st.floats(0, 1e6), st.integers(0, 10**6), st.integers(1, 10**5))
def test_a_schedule_of_flags_gives_the_epoch_of_every_second(wall, start, length):
    config = Config("seed", epoch_start=start, epoch_length=length)
    epochs = Epochs(config, None, lambda *_: None, wall=lambda: wall)
    assert epochs.epoch == max(0, math.floor((wall - start) / length))


def test_flags_for_epochs_belong_together():
    flags = ["seed", "t", "--epoch-start", "5"]
    with pytest.raises(ConfigError, match="belong together"):
        parse_config(flags, {"HOME": "/h"})
    config = parse_config([*flags, "--epoch-length", "60", "--pool", POOL], {"HOME": "/h"})
    assert (config.epoch_start, config.epoch_length, config.pool) == (5, 60, POOL)
    # An aggregator's epoch in the environment does not hold a peer back.
    assert parse_config(["seed", "t"], {"HOME": "/h", "AXON_EPOCH": "3"}).epoch is None
    assert parse_config(["seed", "t"], {"HOME": "/h", "AXON_PEER_EPOCH": "3"}).epoch == 3


async def test_terms_are_read_once_and_every_boundary_turns(log, autojump_clock):
    wall, events, seen = Wall(1030), [], []
    node = Node()
    epochs = Epochs(chain_config(), log, lambda *event: events.append(event), wall=wall, read=node)
    # A scope that nobody shares, before the node has answered.
    assert epochs.scope(TORRENT).chain_id != 31337 and epochs.scope(TORRENT) == epochs.scope(TORRENT)

    async def turn():
        seen.append((round(wall()), epochs.scope(TORRENT).epoch))

    with trio.move_on_after(400):
        await epochs.run(turn)
    assert seen == [(1030, 0), (1060, 1), (1120, 2), (1180, 3), (1240, 4), (1300, 5)]
    assert node.asked == 1
    assert epochs.scope(TORRENT) == (31337, parse_account(POOL), TORRENT, 5)
    assert epochs.scope(OTHER) == (0, ZERO_ACCOUNT, OTHER, 0)  # the pool pays for another torrent
    assert [facts["epoch"] for name, facts in events if name == "epoch"] == [0, 1, 2, 3, 4, 5]
    assert "is over" in events[-1][1]["message"]


async def test_a_node_that_is_away_is_asked_again_and_stops_nothing(log, autojump_clock):
    wall, warnings, turns = Wall(1000), [], []
    node = Node(failures=3)
    epochs = Epochs(
        chain_config(), log, lambda _, facts: warnings.append(facts.get("message")), wall=wall, read=node
    )

    async def turn():
        turns.append(epochs.scope(TORRENT))

    with trio.move_on_after(30):
        await epochs.run(turn)
    assert node.asked == 4
    assert turns == [(31337, parse_account(POOL), TORRENT, 0)]
    assert warnings[0] == "http://node: nobody answers; receipts wait, again in 2 s"

    # The next start knows the terms, whatever the node does.
    again = Epochs(chain_config(), log, lambda *_: None, wall=Wall(1125), read=Node(failures=99))
    assert again.scope(TORRENT) == (31337, parse_account(POOL), TORRENT, 2)


async def test_after_a_long_sleep_the_terms_are_read_again_and_the_epoch_is_right(log, autojump_clock):
    wall, node, turns = Wall(1000), Node(), []
    epochs = Epochs(chain_config(), log, lambda *_: None, wall=wall, read=node)

    async def turn():
        turns.append(int(epochs.epoch))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(epochs.run, turn)
        await trio.sleep(5)
        wall.offset += 4000
        await trio.sleep(15)
        nursery.cancel_scope.cancel()
    assert node.asked == 2
    assert turns == [0, 5]


async def test_a_clock_set_back_a_little_does_not_return_to_the_old_epoch(log, autojump_clock):
    wall, turns = Wall(1055), []
    epochs = Epochs(
        Config("seed", epoch_start=1000, epoch_length=60), log, lambda *_: None, wall=wall, read=Node()
    )

    async def turn():
        turns.append(int(epochs.epoch))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(epochs.run, turn)
        await trio.sleep(6)
        wall.offset -= 3
        await trio.sleep(20)
        assert turns == [1]
        wall.offset -= 40
        await trio.sleep(12)
        assert turns == [1, 0]
        nursery.cancel_scope.cancel()


async def test_another_chain_than_the_one_asked_for_is_refused(log):
    epochs = Epochs(chain_config(chain_id=1), log, lambda *_: None, wall=Wall(1000), read=Node())
    with pytest.raises((ConfigError, ExceptionGroup)) as error:
        await epochs.run(lambda: trio.sleep(0))
    assert "chain 31337, asked for was 1" in str(error.value.exceptions[0])


async def test_a_clock_behind_the_chain_is_told(log, autojump_clock):
    warnings = []
    terms = PoolTerms(1, TORRENT, Schedule(1000, 60, 5), 1200)
    epochs = Epochs(
        chain_config(), log, lambda _, f: warnings.append(str(f)), wall=Wall(1000), read=Node(terms)
    )
    with trio.move_on_after(1):
        await epochs.run(lambda: trio.sleep(0))
    assert any("200 s behind" in warning for warning in warnings)


def test_terms_survive_writing_down():
    assert PoolTerms.from_json(TERMS.to_json()) == TERMS
    for text in ("", "{}", "[]", TERMS.to_json().replace("60", "0"), TERMS.to_json().replace("5", '"x"')):
        with pytest.raises(ConfigError):
            PoolTerms.from_json(text)


async def test_an_epoch_ends_under_a_connection_and_no_receipt_is_lost(tmp_path):
    """Clocks half a second apart, a boundary in the middle: both epochs' receipts, every block once."""
    size, piece = 4_000_000, 1 << 15
    torrent = make_torrent(make_file(tmp_path / "seed", size), tmp_path / "t.torrent", piece)
    blocks = -(-size // (1 << 14))
    async with (
        running(tmp_path / "a", pool=POOL, epoch_start=10, epoch_length=1000, max_up=1.6e6) as seed,
        running(tmp_path / "b", pool=POOL, epoch_start=10, epoch_length=1000) as leech,
    ):
        begin = trio.current_time()
        for one, skew in ((seed, 0.0), (leech, 0.5)):
            # The boundary of epochs 0 and 1 comes 0.8 s after the start, by the seed's clock.
            one.node.epochs._wall = lambda skew=skew: 1009.2 + skew + trio.current_time() - begin
            one.node.epochs._look()
            one.node.nursery.start_soon(one.node.epochs.run, one.node._turn)
        seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        swarm = leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("added")
        with trio.fail_after(5):
            while not swarm.peers:
                await trio.sleep(0.01)
        (link,) = swarm.peers
        await leech.wait_for("complete")
        assert swarm.peers == {link}, "the connection stayed"
        with trio.fail_after(5):
            while swarm.ledger.given_blocks < blocks:
                await trio.sleep(0.01)
        assert [facts["epoch"] for name, facts in leech.events if name == "epoch"] == [1]
        assert format_account(swarm.ledger.scope.pool) == POOL
    for folder, role in (("a", Role.RECEIVED), ("b", Role.GIVEN)):
        log = ReceiptLog(tmp_path / folder / "receipts.sqlite")
        latest = list(log.latest(role=role))
        assert sorted(receipt.epoch for receipt in latest) == [0, 1]
        assert sum(receipt.blocks for receipt in latest) == blocks
        assert not log.equivocations()
        log.close()


async def test_only_the_last_epoch_s_ledgers_are_kept_in_memory(tmp_path):
    torrent = make_torrent(make_file(tmp_path / "seed", 300_000), tmp_path / "t.torrent")
    async with running(tmp_path / "a", pool=POOL) as seed, running(tmp_path / "b", pool=POOL) as leech:
        swarm = seed.add(torrent, tmp_path / "seed")
        await seed.wait_for("added")
        leech.add(torrent, tmp_path / "out", seed)
        await leech.wait_for("complete")
        with trio.fail_after(5):
            while swarm.ledger.taken_blocks < 19:
                await trio.sleep(0.01)
        for epoch, known in ((1, 19), (2, 0)):
            await swarm.ledger.rescope(swarm.ledger.scope._replace(epoch=epoch))
            assert swarm.ledger.taken_blocks == known
