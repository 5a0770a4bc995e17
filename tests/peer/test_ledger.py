"""Two nodes' ledgers and logs, over links that behave and links that do not."""

import random
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from axon.bt.receipt_ext import State
from axon.bt.tally import START_CREDIT
from axon.errors import RemoteProtocolError, StorageError
from axon.ids import Account, Epoch, InfoHash
from axon.keys import NodeSecret
from axon.peer.ledger import Ledger, Link
from axon.receiptlog import ReceiptLog, Role
from axon.receipts import BLOCK_SIZE, Receipt, Scope

SCOPE = Scope(1, Account(b"\x11" * 20), InfoHash(b"\x22" * 20), Epoch(3))
PIECES, BLOCKS = 40, 4
SECRETS = [NodeSecret(bytes([number]) * 32) for number in (1, 2)]


class Node:
    """A ledger, its log, and one connection."""

    def __init__(self, number: int, path: Path, *, pieces: int = PIECES, blocks: int = BLOCKS) -> None:
        self.secret, self.path = SECRETS[number], path
        self.pieces, self.blocks = pieces, blocks
        self.now = 0.0
        self.out: list[bytes] = []
        self.hung_up: list[str] = []
        self.resumed = 0
        self.start(SCOPE)

    def start(self, scope: Scope) -> None:
        self.log = ReceiptLog(self.path, durable=False)
        self.ledger = Ledger(
            self.log,
            self.secret,
            scope,
            num_pieces=self.pieces,
            piece_blocks=lambda index: self.blocks,
            clock=lambda: self.now,
            wall=lambda: 1_700_000_000,
        )
        self.link: Link | None = None

    def connect(self) -> None:
        if self.link is not None:
            self.ledger.close_link(self.link)
        self.out.clear()
        self.link = self.ledger.link(self.out.append, resume=self.resume, hang_up=self.hung_up.append)

    def resume(self) -> None:
        self.resumed += 1

    @property
    def on(self) -> Link:
        assert self.link is not None
        return self.link

    def receipts(self, role: Role) -> list[Receipt]:
        return [entry.receipt for entry in self.log.read(role=role)]


def settle(a: Node, b: Node) -> None:
    """Deliver everything, both ways, until nobody has anything to say."""
    for _ in range(100):
        moved = False
        for here, there in ((a, b), (b, a)):
            messages, here.out[:] = here.out[:], []
            for payload in messages:
                there.ledger.receive(there.on, payload)
                moved = True
        stepped = [node.ledger.step_now(force=True) for node in (a, b)]
        if not moved and not any(stepped):
            return
    raise AssertionError("they never stop talking")


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[Node, Node]:
    a, b = Node(0, tmp_path / "a"), Node(1, tmp_path / "b")
    a.connect()
    b.connect()
    settle(a, b)
    assert a.on.channel.state is b.on.channel.state is State.OPEN
    return a, b


def transfer(uploader: Node, downloader: Node, index: int, blocks: int = BLOCKS) -> None:
    uploader.ledger.block_sent(uploader.on, index, 0, blocks * BLOCK_SIZE)
    downloader.ledger.piece_verified(index, downloader.on, (1 << blocks) - 1)


def test_verified_pieces_become_receipts_in_both_logs(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    for index in range(3):
        transfer(a, b, index)
    transfer(b, a, 7, blocks=2)
    settle(a, b)
    assert a.ledger.taken_blocks == b.ledger.given_blocks == 12
    assert b.ledger.taken_blocks == a.ledger.given_blocks == 2
    assert a.receipts(Role.RECEIVED) == b.receipts(Role.GIVEN)
    assert b.receipts(Role.RECEIVED) == a.receipts(Role.GIVEN)
    assert all(receipt.verifies() for receipt in a.receipts(Role.RECEIVED))


def test_receipt_is_sent_only_when_it_is_on_disk(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    transfer(a, b, 0)
    b.log.close()
    with pytest.raises(StorageError):
        b.ledger.step_now(force=True)
    assert not b.out
    b.ledger._log = b.ledger._giving.log = b.log = ReceiptLog(b.path)  # the disk is back
    settle(a, b)
    assert a.ledger.taken_blocks == BLOCKS


def test_credit_grows_only_when_the_receipt_is_on_disk(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    for index in range(16):
        transfer(a, b, index)
    assert not a.ledger.credit(a.on, 1)
    b.ledger.step_now(force=True)
    for payload in b.out:
        a.ledger.receive(a.on, payload)
    assert not a.ledger.credit(a.on, 1)
    a.log.close()
    with pytest.raises(StorageError):
        a.ledger.step_now()
    assert not a.ledger.credit(a.on, 1)
    a.ledger._log = a.ledger._taking.log = a.log = ReceiptLog(a.path)
    a.ledger.step_now()
    assert a.ledger.credit(a.on, 1)
    assert a.resumed == 1
    assert a.on.told == START_CREDIT + 8 * START_CREDIT + 1  # 2 % of what was acknowledged


def test_who_signs_nothing_gets_one_credit(nodes: tuple[Node, Node]) -> None:
    """HOSTILE 21. Forgiveness is a trickle: one block in 15 seconds."""
    a, _ = nodes
    sent = 0
    while a.ledger.credit(a.on, 1):
        a.ledger.block_sent(a.on, sent // BLOCKS, sent % BLOCKS * BLOCK_SIZE)
        sent += 1
    assert sent == START_CREDIT
    a.now = 16.0
    assert a.ledger.credit(a.on, 1)
    a.ledger.block_sent(a.on, 0, 0)
    assert not a.ledger.credit(a.on, 1)


def test_credit_is_given_as_far_as_it_goes(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    assert a.ledger.credit(a.on, 30) == 30
    assert a.ledger.credit(a.on, 1000) == START_CREDIT
    a.ledger.block_sent(a.on, 0, 0, (START_CREDIT - 5) * BLOCK_SIZE)
    assert a.ledger.credit(a.on, 5) == 5
    assert a.ledger.credit(a.on, 1000) == 5
    a.ledger.block_sent(a.on, 20, 0, 5 * BLOCK_SIZE)
    assert a.ledger.credit(a.on, 1000) == 0 and a.on.starved
    a.now = 31.0
    assert a.ledger.credit(a.on, 1000) == 2 and not a.on.starved  # so much was written off


def test_who_stops_to_speak_the_extension_is_served_as_any_client(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    a.ledger.block_sent(a.on, 0, 0, START_CREDIT * BLOCK_SIZE)
    assert a.ledger.credit(a.on, 7) == 0
    a.on.channel.state = State.PLAIN
    assert a.ledger.credit(a.on, 7) == 7


def test_a_receipt_is_worth_half_of_the_credit_that_was_told(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    assert b.on.receipt_blocks == START_CREDIT // 2
    for index in range(16):
        transfer(a, b, index)
    settle(a, b)
    assert b.on.receipt_blocks == (9 * START_CREDIT + 1) // 2


def test_blocks_lost_with_a_connection_do_not_starve_the_peer(nodes: tuple[Node, Node]) -> None:
    """What was under way is never acknowledged; coming back gives what a stranger gets."""
    a, b = nodes
    for index in range(16):
        a.ledger.block_sent(a.on, index, 0, BLOCKS * BLOCK_SIZE)
    assert not a.ledger.credit(a.on, 1)
    for node in nodes:
        node.connect()
    settle(a, b)
    for index in range(16):
        assert a.ledger.credit(a.on, 1)
        transfer(a, b, index)
    settle(a, b)
    assert a.ledger.taken_blocks == 16 * BLOCKS


def test_slow_pieces_get_a_receipt_each_and_fast_ones_share(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    for index in range(3):
        transfer(a, b, index)
        assert not b.ledger.step_now()
        b.now += 2.1
        assert b.ledger.step_now()
    assert len(b.receipts(Role.GIVEN)) == 3
    for index in range(3, 20):
        transfer(a, b, index)  # 17 pieces are more than half the credit
    assert b.ledger.step_now()
    assert len(b.receipts(Role.GIVEN)) == 4


def test_what_was_lost_with_a_connection_is_sent_again(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    for index in range(3):
        transfer(a, b, index)
        b.ledger.step_now(force=True)
    b.out.clear()  # lost
    for node in nodes:
        node.connect()
    settle(a, b)
    assert a.ledger.taken_blocks == 12
    assert len(a.receipts(Role.RECEIVED)) == 3


def test_piece_verified_after_the_connection_ended_is_acknowledged(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    transfer(a, b, 0)
    old = b.on
    for node in nodes:
        node.connect()
    a.ledger.block_sent(a.on, 1, 0)
    b.ledger.piece_verified(1, old, 1)
    settle(a, b)
    assert a.ledger.taken_blocks == BLOCKS + 1


@pytest.mark.parametrize("dies", [0, 1])
def test_killed_node_goes_on_where_its_log_ends(nodes: tuple[Node, Node], dies: int) -> None:
    a, b = nodes
    transfer(a, b, 0)
    settle(a, b)
    transfer(a, b, 1)
    b.ledger.step_now(force=True)  # signed and on disk, not delivered
    nodes[dies].start(SCOPE)
    for node in nodes:
        node.connect()
    settle(a, b)
    transfer(a, b, 2)
    settle(a, b)
    assert a.ledger.taken_blocks == 3 * BLOCKS
    assert [receipt.sequence for receipt in a.receipts(Role.RECEIVED)] == [1, 2, 3]
    assert not a.log.equivocations()


def test_downloader_without_its_log_signs_nothing_contradictory(
    nodes: tuple[Node, Node], tmp_path: Path
) -> None:
    a, b = nodes
    transfer(a, b, 0)
    settle(a, b)
    b.path = tmp_path / "new disk, same key"
    b.start(SCOPE)
    for node in nodes:
        node.connect()
    settle(a, b)
    transfer(a, b, 1)
    settle(a, b)
    assert not b.receipts(Role.GIVEN)
    assert not a.log.equivocations()


def forge(b: Node, **changes: object) -> Receipt:
    fields: dict[str, object] = {
        "chain_id": 1,
        "pool": SCOPE.pool,
        "info_hash": SCOPE.info_hash,
        "epoch": SCOPE.epoch,
        "downloader": b.secret.public,
        "uploader": SECRETS[0].public,
        "piece": 0,
        "blocks": BLOCKS,
        "sequence": 1,
        "root": bytes(32),
        "timestamp": 0,
    }
    return Receipt(**(fields | changes)).signed(b.secret)  # type: ignore[arg-type]


def test_equivocation_is_kept_as_proof_and_ends_the_service(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    transfer(a, b, 0)
    settle(a, b)
    other = forge(b, root=b"\x77" * 32)
    b.on.channel.receipt(other, [])
    b.on.flush()
    settle(a, b)
    (proof,) = a.log.equivocations()
    assert proof.holds()
    assert not a.ledger.credit(a.on, 1)
    assert a.ledger.taken_blocks == BLOCKS
    assert list(a.log.latest(role=Role.RECEIVED)) == []


def test_flood_of_bad_signatures_ends_the_connection(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    for sequence in range(1, 20):
        bad = Receipt.parse(forge(b, sequence=sequence).body() + bytes(64))
        b.on.channel.receipt(bad, [])
    b.on.flush()
    settle(a, b)
    assert "bad receipts" in a.hung_up[0]
    assert not a.receipts(Role.RECEIVED)


def test_new_epoch_goes_on_with_new_ledgers(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    later = SCOPE._replace(epoch=Epoch(4))
    transfer(a, b, 0)
    settle(a, b)
    transfer(a, b, 1)
    trio.run(a.ledger.rescope, later)
    transfer(a, b, 2)
    settle(a, b)  # b has not noticed: its receipts of the old epoch still count
    assert a.ledger.taken_blocks == 3 * BLOCKS
    assert a.on.channel.state is State.PLAIN
    trio.run(b.ledger.rescope, later)
    settle(a, b)
    assert a.on.channel.state is b.on.channel.state is State.OPEN
    transfer(a, b, 3)
    settle(a, b)
    assert [(r.epoch, r.sequence, r.blocks) for r in a.receipts(Role.RECEIVED)][-1] == (4, 1, BLOCKS)
    assert a.ledger.taken_blocks == 4 * BLOCKS


def test_audit_proves_a_piece(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    for index in (4, 9, 2):
        transfer(a, b, index)
    settle(a, b)
    a.on.channel.ask_audit(9)
    a.on.channel.ask_audit(30)  # never acknowledged: no answer
    a.on.flush()
    settle(a, b)
    assert a.on.audited == {9: True}


async def test_task_signs_and_stops_cleanly(tmp_path: Path) -> None:
    """The trio shell: two ledgers, each with its task, joined in memory."""
    logs = [ReceiptLog(tmp_path / name, durable=False) for name in "ab"]
    ledgers = [
        Ledger(log, secret, SCOPE, num_pieces=PIECES, piece_blocks=lambda index: BLOCKS)
        for log, secret in zip(logs, SECRETS)
    ]
    links: list[Link] = []
    wires = [trio.open_memory_channel[bytes](1000) for _ in ledgers]
    for ledger, (send, _) in zip(ledgers, wires):
        links.append(ledger.link(send.send_nowait))

    async def pump(number: int) -> None:
        async for payload in wires[1 - number][1]:
            ledgers[number].receive(links[number], payload)

    async with trio.open_nursery() as nursery:
        for number in (0, 1):
            nursery.start_soon(pump, number)
            nursery.start_soon(ledgers[number].run)
        with trio.fail_after(60):
            while links[0].taken is None or links[1].given is None:
                await trio.sleep(0.001)
            for index in range(PIECES):
                ledgers[0].block_sent(links[0], index, 0, BLOCKS * BLOCK_SIZE)
                ledgers[1].piece_verified(index, links[1], (1 << BLOCKS) - 1)
                if index % 8 == 0:
                    await trio.sleep(0)
            await ledgers[1].finish()
            while ledgers[0].taken_blocks < PIECES * BLOCKS:
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert len(logs[1].read(role=Role.GIVEN)) < PIECES


def test_more_receipts_than_wait_at_once_are_sent_again(nodes: tuple[Node, Node]) -> None:
    """Each is judged as it arrives, so a long log does not look like a flood."""
    a, b = nodes
    a.pieces = b.pieces = 100
    for node in nodes:
        node.start(SCOPE)
        node.connect()
    settle(a, b)
    for index in range(100):
        while not a.ledger.credit(a.on, 1):
            a.now += 15.0  # it is forgiven block by block
        transfer(a, b, index)
        b.ledger.step_now(force=True)
    b.out.clear()  # all lost
    b.connect()
    a.ledger.close_link(a.on)
    a.link = a.ledger.link(a.out.append, resume=a.resume, hang_up=a.hung_up.append)
    settle(a, b)
    assert len(a.receipts(Role.RECEIVED)) == 100
    assert a.ledger.taken_blocks == 100 * BLOCKS


def test_what_arrives_while_the_disk_works_is_stored_together(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    for index in range(3):
        transfer(a, b, index)
        b.ledger.step_now(force=True)
    for payload in b.out:
        a.ledger.receive(a.on, payload)
    assert a.ledger.taken_blocks == 0  # judged, not on disk
    assert a.ledger.step_now()
    assert not a.ledger.step_now()
    assert a.ledger.taken_blocks == 3 * BLOCKS


def test_uploader_that_forgot_a_stranger_looks_it_up_again(nodes: tuple[Node, Node]) -> None:
    """One connection of a peer's ends, and with it its empty tallies, while another is being opened."""
    a, b = nodes
    second = b.ledger.link(b.out.append)
    other = a.ledger.link(a.out.append)
    for _ in range(4):
        for payload in [a.out.pop(0) for _ in range(len(a.out))]:
            b.ledger.receive(second, payload)
        for payload in [b.out.pop(0) for _ in range(len(b.out))]:
            a.ledger.receive(other, payload)
    a.ledger._tallies.given.clear()
    a.ledger._tallies.taken.clear()
    a.ledger._meet.step_now(force=True)
    assert other.given is None or other.taken is not None
    while a.ledger.step_now():
        pass
    assert other.taken is not None
    assert a.ledger._tallies.taken[other.channel.taken_ledger] is other.taken


@pytest.mark.parametrize("error", [StorageError("no space"), ZeroDivisionError("a bug")])
async def test_task_waits_for_the_disk_and_ends_with_a_bug(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ReceiptLog(tmp_path / "a", durable=False)
    ledger = Ledger(log, SECRETS[0], SCOPE, num_pieces=PIECES, piece_blocks=lambda index: BLOCKS)
    peer = Ledger(log, SECRETS[1], SCOPE, num_pieces=PIECES, piece_blocks=lambda index: BLOCKS)
    out: list[bytes] = []
    link = ledger.link(out.append)
    back = peer.link(lambda payload: ledger.receive(link, payload))
    for payload in out:  # two hellos crossed, and the keys were proved: now it asks its log
        peer.receive(back, payload)

    def refuse(ledger: object) -> None:
        raise error

    with monkeypatch.context() as patch, trio.fail_after(60):
        patch.setattr(log, "last", refuse)
        patch.setattr("axon.peer.lane._RETRY", 0.05)
        if not isinstance(error, StorageError):
            with pytest.raises(ZeroDivisionError):
                await ledger.run()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger.run)
            while ledger.trouble is None:
                await trio.sleep(0.001)
            assert "no space" in ledger.trouble
            patch.undo()
            await ledger.finish()
            assert link.taken is not None and ledger.trouble is None
            nursery.cancel_scope.cancel()


class Lossy(RuleBasedStateMachine):
    """The promise of receipts, whatever the link and the machines do to two honest nodes.

    Messages are dropped, delayed, doubled, reordered and replayed; connections end, nodes are killed.
    """

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.nodes = [Node(number, Path(self.folder.name) / str(number)) for number in (0, 1)]
        self.wire: dict[int, list[bytes]] = {0: [], 1: []}  # under way from node 0, 1
        self.old: dict[int, list[bytes]] = {0: [], 1: []}  # everything ever said on this connection
        self.truth: dict[int, dict[tuple[int, int], int]] = {0: defaultdict(int), 1: defaultdict(int)}
        self.received: dict[int, dict[int, set[int]]] = {0: {}, 1: {}}  # by a node, not verified yet
        self.scope = SCOPE
        self.connect()

    def connect(self) -> None:
        for number, node in enumerate(self.nodes):
            self.wire[number], self.old[number] = [], []
            self.received[number] = {}
            node.hung_up.clear()
            node.connect()

    def collect(self) -> None:
        for number, node in enumerate(self.nodes):
            self.wire[number] += node.out
            self.old[number] += node.out
            node.out.clear()

    def hand_over(self, sender: int, payload: bytes) -> None:
        receiver = self.nodes[1 - sender]
        try:
            receiver.ledger.receive(receiver.on, payload)
        except RemoteProtocolError:
            self.connect()
        self.collect()

    @rule(sender=st.integers(0, 1), choice=st.integers(0, 10**6), keep=st.booleans())
    def deliver(self, sender: int, choice: int, keep: bool) -> None:
        self.collect()
        wire = self.wire[sender]
        if wire:
            at = choice % len(wire)
            self.hand_over(sender, wire[at] if keep else wire.pop(at))

    @rule(sender=st.integers(0, 1), count=st.integers(1, 8))
    def deliver_in_order(self, sender: int, count: int) -> None:
        self.collect()
        for _ in range(count):
            if self.wire[sender]:
                self.hand_over(sender, self.wire[sender].pop(0))

    @rule(sender=st.integers(0, 1), choice=st.integers(0, 10**6))
    def drop(self, sender: int, choice: int) -> None:
        self.collect()
        if self.wire[sender]:
            self.wire[sender].pop(choice % len(self.wire[sender]))

    @rule(sender=st.integers(0, 1), choice=st.integers(0, 10**6))
    def replay(self, sender: int, choice: int) -> None:
        if self.old[sender]:
            self.hand_over(sender, self.old[sender][choice % len(self.old[sender])])

    @rule(
        uploader=st.integers(0, 1),
        index=st.integers(0, PIECES - 1),
        blocks=st.sets(st.integers(0, BLOCKS - 1), min_size=1),
        arrives=st.booleans(),
    )
    def upload(self, uploader: int, index: int, blocks: set[int], arrives: bool) -> None:
        node = self.nodes[uploader]
        for block in blocks:
            if not node.ledger.credit(node.on, 1):
                return
            node.ledger.block_sent(node.on, index, block * BLOCK_SIZE)
            self.truth[uploader][index, block] += 1
            if arrives:
                self.received[1 - uploader].setdefault(index, set()).add(block)

    @rule(number=st.integers(0, 1))
    def verify(self, number: int) -> None:
        for index, blocks in self.received[number].items():
            self.nodes[number].ledger.piece_verified(
                index, self.nodes[number].on, sum(1 << block for block in blocks)
            )
        self.received[number] = {}

    @rule(number=st.integers(0, 1), force=st.booleans(), later=st.floats(0, 1))
    def step(self, number: int, force: bool, later: float) -> None:
        node = self.nodes[number]
        node.now += later
        node.ledger.step_now(force=force)
        if node.hung_up:
            self.connect()
        self.collect()

    @rule()
    def reconnect(self) -> None:
        self.connect()

    @rule(number=st.integers(0, 1))
    def kill(self, number: int) -> None:
        self.nodes[number].log.close()
        self.nodes[number].start(self.scope)
        self.connect()

    @invariant()
    def logs_are_sound(self) -> None:
        if not hasattr(self, "nodes"):
            return
        for number, node in enumerate(self.nodes):
            assert not node.log.equivocations()
            for role in (Role.GIVEN, Role.RECEIVED):
                seen: set[tuple[int, int]] = set()
                last = 0
                for entry in node.log.read(role=role):
                    assert entry.receipt.verifies()
                    added = {(ack.piece, block) for ack in entry.acks for block in ack.blocks}
                    assert not added & seen
                    seen |= added
                    assert entry.receipt.blocks == len(seen)
                    assert entry.receipt.sequence > last
                    last = entry.receipt.sequence
                sender = 1 - number if role is Role.GIVEN else number
                assert all(self.truth[sender][block] for block in seen)
            assert node.ledger.taken_blocks <= sum(self.truth[number].values())

    def teardown(self) -> None:
        """On a link that behaves, all that was verified is acknowledged to the last block."""
        if not hasattr(self, "nodes"):
            return
        a, b = self.nodes
        for number in (0, 1):
            self.verify(number)
        for node in self.nodes:
            node.ledger.step_now(force=True)
        self.connect()
        settle(a, b)
        for node, other in ((a, b), (b, a)):
            assert node.on.given is not None and node.on.given.usable
            assert node.ledger.given_blocks == other.ledger.taken_blocks
            node.log.close()
        self.folder.cleanup()


TestLossy = Lossy.TestCase
TestLossy.settings = settings(stateful_step_count=40)


def test_thousand_random_deliveries_end_in_agreement(tmp_path: Path) -> None:
    """A long run of the same, without Hypothesis: real credit, real growth."""
    rng = random.Random(5)
    a, b = Node(0, tmp_path / "a", pieces=2000), Node(1, tmp_path / "b", pieces=2000)
    a.connect()
    b.connect()
    settle(a, b)
    for index in range(2000):
        while not a.ledger.credit(a.on, 1):
            settle(a, b)
        transfer(a, b, index)
        b.now += 0.01
        if rng.random() < 0.3:
            b.ledger.step_now()
        if rng.random() < 0.02:
            a.connect()
            b.connect()
            settle(a, b)
    settle(a, b)
    assert a.ledger.taken_blocks == 2000 * BLOCKS
    assert len(a.receipts(Role.RECEIVED)) < 600
