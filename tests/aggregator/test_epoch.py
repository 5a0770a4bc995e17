"""The epoch job against trackers that are honest, away, or lie, and against disks and chains that fail."""

import errno
import resource
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from axon.aggregator.folder import JobFolder
from axon.aggregator.matrix import write_parquet
from axon.aggregator.report import EpochReport
from axon.chain.embedded import EmbeddedAccount, EmbeddedChain
from axon.chain.pool import Pool
from axon.errors import ChainError, ConfigError, ProofRejected, StorageError, TrackerError
from axon.ids import Account, Epoch
from axon.rewards.air import Statement
from axon.stark import ONCHAIN_100, Proof, verify
from tests.aggregator.world import SECRETS, STAKE, World, toy_combine, toy_verify

A, B, C, D, E = SECRETS


@pytest.fixture(autouse=True)
def signatures_without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairings take a second each; tests/interop/test_whole_line.py has the real ones."""
    monkeypatch.setattr("axon.aggregator.trackers.verify_aggregate", toy_verify)
    monkeypatch.setattr("axon.aggregator.epoch.combine", toy_combine)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.close_epoch()
    return made


def fill(world: World) -> None:
    for tracker in world.trackers:
        tracker.hold(*world.honest())


def paid(world: World) -> list[int]:
    """What each member gets of the first token, base units, by claiming it."""
    from axon.chain.artifacts import artifact
    from axon.chain.contract import Contract

    token = Contract(world.chain, artifact("mocks/token"), world.tokens[0])
    amounts = []
    for member in world.pool.members():
        before = int(token.call("balanceOf", member.account))
        world.pool.claim(member.index, [0])
        amounts.append(int(token.call("balanceOf", member.account)) - before)
    return amounts


def test_an_epoch_is_settled_once_and_running_again_changes_nothing(world: World) -> None:
    fill(world)
    first = world.job().run()
    assert world.pool.settled_epochs() == [0]
    assert first.gas_used > 21_000 and len(first.transaction) == 32
    blocks = world.chain.block_number()
    again = world.job().run()
    assert (again.transaction, again.proof, again.statement) == (
        first.transaction,
        first.proof,
        first.statement,
    )
    assert world.chain.block_number() == blocks
    amounts = paid(world)
    assert amounts[1] > amounts[2] > amounts[0] == 0
    assert sum(amounts) <= STAKE // 4


def test_a_dry_run_sends_nothing_and_a_later_run_uses_its_proof(world: World) -> None:
    fill(world)
    dry = world.job().run(dry=True)
    assert (world.pool.settled_epochs(), dry.transaction) == ([], b"")
    assert world.job().run().proof == dry.proof


class _Cut(BaseException):
    """Power off: nothing after it runs."""


@pytest.mark.parametrize("stage", ["receipts", "edges", "root", "attested", "proving", "proof", "settled"])
def test_a_job_cut_off_at_any_stage_ends_as_if_it_had_not_been(world: World, stage: str) -> None:
    fill(world)

    def cut(name: str, facts: Mapping[str, object]) -> None:
        if name == stage:
            raise _Cut

    with pytest.raises(_Cut):
        world.job(report=cut).run()
    done = world.job().run()
    assert world.pool.settled_epochs() == [0]
    assert world.pool.shares_of(0).shares == list(done.statement.shares)
    assert world.job("fresh").run(dry=True).statement.shares == done.statement.shares


def test_cut_off_between_the_transaction_and_its_note(world: World) -> None:
    fill(world)
    done = world.job().run()
    (world.home / "job" / "settled.json").unlink()
    again = world.job().run()
    assert (again.transaction, again.gas_used) == (done.transaction, 0)


def test_a_settlement_that_the_chain_forgot_is_sent_again(world: World) -> None:
    fill(world)
    first = world.job().run(dry=True)
    (world.home / "job" / "settled.json").write_text('{"transaction": "aa", "gas_used": 1}')
    again = world.job().run()
    assert again.proof == first.proof
    assert world.pool.settled_epochs() == [0]
    assert "forgotten" in world.warnings()


def test_receipts_that_one_tracker_lacks_are_handed_to_it(world: World) -> None:
    one, two, three = world.honest()
    world.trackers[0].hold(one)
    world.trackers[1].hold(two)
    world.trackers[2].hold(three)
    done = world.job().run()
    assert len(done.epoch.collected.edges) == 3
    assert [len(list(t.log.latest())) for t in world.trackers] == [3, 3, 3]
    assert sum(stage == "attested" for stage, _ in world.events) == 3


def test_a_tracker_that_withholds_receipts_is_outvoted(world: World) -> None:
    fill(world)
    world.trackers[0].hold(world.receipt(B, C, 70))
    world.trackers[0].withholds = True
    done = world.job().run()
    assert len(done.epoch.collected.edges) == 3
    assert "receipts differ for 1 pairs" in world.warnings()


def test_trackers_that_all_withhold_are_told_apart_from_an_empty_epoch(world: World) -> None:
    fill(world)
    for tracker in world.trackers:
        tracker.withholds = True
    with pytest.raises(TrackerError, match=r"0 trackers sign, the pool wants 2: .*differ for 3 pairs"):
        world.job().run()
    for tracker in world.trackers:
        tracker.withholds = False
    assert len(world.job().run().epoch.collected.edges) == 3


def test_trackers_that_are_away_do_not_stop_a_quorum(world: World) -> None:
    fill(world)
    world.trackers[1].away = True
    world.job().run()
    assert "tracker-1.test: away" in world.warnings()


def test_below_the_quorum_nothing_is_sent_and_a_later_run_completes(world: World) -> None:
    fill(world)
    for tracker in world.trackers[:2]:
        tracker.away = True
    with pytest.raises(TrackerError, match="1 of 3 trackers answer, the pool wants 2"):
        world.job().run()
    kept = (world.home / "job" / "receipts.bin").read_bytes()
    assert len(kept) == 3 * 236
    for tracker in world.trackers[:2]:
        tracker.away = False
    world.trackers[2].away = True  # what it gave is not lost
    assert len(world.job().run().epoch.collected.edges) == 3


def test_a_tracker_that_attests_another_root_does_not_count(world: World) -> None:
    fill(world)
    asked: list[bytes] = []
    ask = world.trackers[2]._ask

    def other_root(method: str, path: str, body: bytes = b"", **more: object) -> bytes:
        if path == "/attest":
            asked.append(body)
            world.trackers[2].signs_for = body.replace(b'"epoch":0', b'"epoch":1').replace(
                b'"edges":[[', b'"edges":[[', 1
            )
        return ask(method, path, body, **more)  # type: ignore[arg-type]

    world.trackers[2]._ask = other_root  # type: ignore[method-assign]
    world.trackers[1].away = True
    with pytest.raises(TrackerError, match="trackers sign, the pool wants 2"):
        world.job().run()
    assert asked
    world.trackers[1].away = False
    world.job().run()


def test_a_signature_by_another_key_does_not_count(world: World) -> None:
    fill(world)
    world.trackers[2]._attester = world.trackers[1]._attester
    world.trackers[0].away = True
    with pytest.raises(TrackerError, match=r"tracker-2.test: its signature does not verify"):
        world.job().run()


def test_two_trackers_that_disagree_are_made_to_agree_by_the_evidence(world: World) -> None:
    fill(world)
    world.trackers[0].hold(world.receipt(D, B, 10))
    world.trackers[1].hold(world.receipt(D, B, 20))  # the same sequence, another count
    done = world.job().run()
    (proof,) = done.epoch.collected.equivocations
    assert proof.first.downloader == D.public and proof.holds()
    assert len(done.epoch.collected.edges) == 3  # D's row is dropped everywhere
    assert sum(stage == "attested" for stage, _ in world.events) >= 2


def test_receipts_for_other_pools_epochs_and_chains_are_refused_with_the_reason(world: World) -> None:
    fill(world)
    other = world.scope._replace
    foreign = [
        world.receipt(A, B, 900, scope=other(pool=Account(b"\x99" * 20))),
        world.receipt(A, B, 900, scope=other(epoch=Epoch(1))),
        world.receipt(A, B, 900, scope=other(chain_id=1)),
    ]
    world.trackers[0].hold(*foreign)
    done = world.job().run()
    refused = done.epoch.collected.refused
    assert sorted(r.receipt for r in refused) == sorted(r.serialize() for r in foreign)
    assert {r.reason.name for r in refused} == {"SCOPE"}
    assert done.epoch.collected.edges.blocks.tolist() == [600, 300, 50]


def test_a_member_with_a_wrong_binding_earns_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, members=[A, C])
    world.member(7).join(B.public, bytes(64))  # B's key, without B
    world.close_epoch()
    fill(world)
    done = world.job().run()
    assert done.statement.shares[2] == 0
    assert done.statement.shares[1] > 0


def test_an_empty_epoch_can_be_settled_and_pays_nobody(world: World) -> None:
    done = world.job().run()
    assert set(done.statement.shares) == {0}
    assert paid(world) == [0, 0, 0]


def test_an_epoch_with_one_member_can_be_settled(tmp_path: Path) -> None:
    world = World(tmp_path, members=[B])
    world.close_epoch()
    world.trackers[0].hold(world.receipt(A, B, 600))
    done = world.job().run()
    assert len(done.statement.shares) == 1 and done.statement.shares[0] > 0


def test_a_pool_that_nobody_joined_cannot_be_settled(tmp_path: Path) -> None:
    world = World(tmp_path, members=[])
    world.close_epoch()
    with pytest.raises(ChainError, match="nobody has joined"):
        world.job().run()


def test_an_epoch_that_runs_is_not_settled_and_its_rules_are_not_kept(tmp_path: Path) -> None:
    world = World(tmp_path, members=[A, B])
    with pytest.raises(ChainError, match="epoch 0 ends at"):
        world.job().run()
    world.join(2, C)  # in time
    world.close_epoch()
    fill(world)
    assert len(world.job().run().statement.shares) == 3


def test_epochs_that_the_pool_does_not_have(world: World) -> None:
    with pytest.raises(ChainError, match="epoch 4: the pool has 4"):
        world.job(epoch=4).run()


def test_the_folder_of_another_job_is_refused(world: World) -> None:
    fill(world)
    world.job().run(dry=True)
    world.travel(86_400)
    with pytest.raises(ConfigError, match=r"folder of another job: \{'epoch': 0\}"):
        world.job(epoch=1).run(dry=True)


def test_yesterdays_proof_proves_nothing_today(world: World) -> None:
    fill(world)
    done = world.job().run(dry=True)
    s = done.statement
    today = Statement(
        s.chain_id, s.pool, Epoch(1), s.submitter, s.root, s.c, s.c_e, s.sum_trust, s.sum_pretrust, s.shares
    )
    with pytest.raises(ProofRejected):
        verify(done.epoch.air(ONCHAIN_100), today.public(), Proof.from_bytes(done.proof), ONCHAIN_100)


def test_a_damaged_proof_is_made_again(world: World) -> None:
    fill(world)
    done = world.job().run(dry=True)
    (path,) = (world.home / "job").glob("proof-*.bin")
    path.write_bytes(done.proof[:-1] + bytes([done.proof[-1] ^ 1]))
    assert world.job().run().transaction
    assert "proving again" in world.warnings()


def test_somebody_else_was_first(world: World) -> None:
    fill(world)
    other = world.pool.using(world.chain.using(EmbeddedAccount.named("rival")))
    world.job("theirs", pool=other).run()
    with pytest.raises(ChainError, match="epoch 0 was settled already, by 0x"):
        world.job().run()


def test_a_chain_that_reverts_costs_nothing_but_the_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world)

    def revert(*arguments: object) -> None:
        raise ChainError("pool: proof refused")

    with monkeypatch.context() as patch:
        patch.setattr(Pool, "settle", revert)
        with pytest.raises(ChainError, match="proof refused: is the pool's verifier one for onchain-100"):
            world.job().run()
    before = len(world.trackers[0].asked)
    world.job().run()
    assert len(world.trackers[0].asked) == before  # attestation and proof were kept


@pytest.mark.parametrize("stage", ["receipts", "root", "proof"])
def test_a_node_that_goes_away_half_way_costs_only_time(
    world: World, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world)

    def away(*arguments: object, **more: object) -> None:
        raise ChainError("node http://127.0.0.1:1: connection refused")

    with monkeypatch.context() as patch:

        def unplug(name: str, facts: Mapping[str, object]) -> None:
            if name == stage:
                for method in ("call", "transact", "logs", "now"):
                    patch.setattr(EmbeddedChain, method, away)

        with pytest.raises(ChainError, match="connection refused"):
            world.job(report=unplug).run()
    assert world.job().run().gas_used > 0


def test_a_transaction_that_is_taken_up_late_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    settle = Pool.settle

    def late(*arguments: object) -> None:
        settle(*arguments)  # type: ignore[arg-type]
        raise ChainError("transaction 0xaa not in a block after 180 s; it may still be taken up")

    with monkeypatch.context() as patch:
        patch.setattr(Pool, "settle", late)
        done = world.job().run()
    assert (done.gas_used, len(done.transaction)) == (0, 32)
    assert world.pool.settled_epochs() == [0]


@contextmanager
def full_disk(least: int = 16) -> Iterator[None]:
    """Let no file grow beyond `least` bytes: the kernel refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


FULL_AT = {  # what the job has just reported -> the file that it cannot write then
    "begin": "job.json",
    "receipts": "receipts.bin",
    "quorum": "attestation.json",
    "proving": "proof-",
    "proof": "settled.json",
}


@pytest.mark.parametrize("stage", FULL_AT)
def test_a_full_disk_is_a_clear_error_at_every_stage_and_a_later_run_completes(
    world: World, stage: str
) -> None:
    fill(world)
    with ExitStack() as disk:

        def fills(name: str, facts: Mapping[str, object]) -> None:
            if name == stage:
                disk.enter_context(full_disk())

        fills("begin", {})
        with pytest.raises(StorageError, match=FULL_AT[stage]) as caught:
            world.job(report=fills).run()
    assert caught.value.errno == errno.EFBIG
    assert not list((world.home / "job").glob(".*.part"))
    done = world.job().run()
    assert len(done.epoch.collected.edges) == 3
    assert world.pool.settled_epochs() == [0]
    assert (done.gas_used == 0) == (stage == "proof")  # sent by the run that could not note it


def test_a_full_disk_is_a_clear_error_for_reports_and_tables(world: World, tmp_path: Path) -> None:
    fill(world)
    report = EpochReport(world.job().run(dry=True).epoch)
    rows = [{"index": k, "amount": str(k)} for k in range(1000)]
    with full_disk(), pytest.raises(StorageError, match="report"):
        report.write(tmp_path / "report")
    with full_disk(), pytest.raises(StorageError, match=r"rows\.parquet"):
        write_parquet(rows, tmp_path / "rows.parquet")
    report.write(tmp_path / "report")
    write_parquet(rows, tmp_path / "rows.parquet")


def test_two_processes_do_not_work_in_one_folder(world: World) -> None:
    fill(world)
    with JobFolder(world.home / "job").locked(), pytest.raises(StorageError, match="another process"):
        world.job().run()


@pytest.mark.parametrize("name", ["rules.json", "attestation.json", "job.json"])
def test_a_damaged_file_is_named(world: World, name: str) -> None:
    fill(world)
    world.job().run(dry=True)
    (world.home / "job" / name).write_bytes(b"{")
    with pytest.raises(StorageError, match=f"{name} is damaged"):
        world.job().run()
