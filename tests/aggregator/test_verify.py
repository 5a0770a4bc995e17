"""A settled epoch from chain data alone, and proof files: what is true passes, what is changed does not."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.aggregator.epoch import Settled
from axon.aggregator.matrix import RewardMatrix, preview_matrix, settled_matrix, write_parquet
from axon.aggregator.proofs import ProofFile, envelope, unwrap
from axon.aggregator.verify import check_settled
from axon.bls import BlsSecret
from axon.chain.artifacts import artifact
from axon.chain.attestation import combine
from axon.chain.contract import Contract
from axon.chain.pool import Pool, Totals
from axon.chain.shares import pack_shares
from axon.errors import ChainError, ProofRejected
from axon.ids import Account, Epoch
from axon.rewards.air import log_rows_for
from axon.stark import ONCHAIN_100
from tests.aggregator.node import node
from tests.aggregator.test_epoch_node import NodeWorld
from tests.aggregator.world import World

EPOCH = Epoch(0)


class Played:
    """One world with a settled epoch, for all tests of this file."""

    def __init__(self, home: Path) -> None:
        self.world = world = World(home, quorum=1, secrets=[BlsSecret(1000)])
        world.close_epoch()
        world.trackers[0].hold(*world.honest())
        dry = world.job().run(dry=True)
        self.preview = preview_matrix(world.pool, EPOCH, dry.statement.shares)
        self.done: Settled = world.job().run()
        edges = self.done.epoch.collected.edges
        log_rows = log_rows_for(len(edges), edges.n, ONCHAIN_100)
        self.file = ProofFile(log_rows, ONCHAIN_100.name, self.done.statement, self.done.proof)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    yield Played(tmp_path_factory.mktemp("world"))


@pytest.mark.slow
def test_a_settled_epoch_is_checked_without_asking_anybody(played: Played) -> None:
    found = check_settled(played.world.pool, EPOCH)
    assert found.proof.statement == played.done.statement
    assert (found.signers, found.transaction) == ((0,), played.done.transaction)
    assert found.bits >= 100


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["proof", "signature", "shares", "totals", "contract"])
def test_calldata_that_was_changed_is_noticed(
    played: Played, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = played.world.pool
    to, data = pool.chain.calldata(played.done.transaction)
    epoch, root, attestation, totals, words, proof = pool.contract.arguments("settle", data)
    if changed == "proof":
        proof = proof[:500] + bytes([proof[500] ^ 1]) + proof[501:]
    elif changed == "signature":
        attestation.signature = BlsSecret(77).sign(b"something else")
    elif changed == "shares":
        words = [words[0] ^ (1 << 208), *words[1:]]
    elif changed == "totals":
        totals.trust += 1
    else:
        to = Account(b"\x99" * 20)
    lie = pool.contract.calldata("settle", epoch, root, attestation, totals, words, proof)
    monkeypatch.setattr(type(pool.chain), "calldata", lambda self, transaction: (to, lie))
    with pytest.raises((ProofRejected, ChainError)):
        check_settled(pool, EPOCH)


def test_an_epoch_that_is_not_settled_cannot_be_checked(played: Played) -> None:
    with pytest.raises(ChainError, match="epoch 1 is not settled"):
        check_settled(played.world.pool, Epoch(1))


def test_the_matrix_is_what_the_contract_pays_to_the_last_unit(played: Played) -> None:
    world, matrix = played.world, settled_matrix(played.world.pool, EPOCH)
    assert (matrix.shares, matrix.settled) == (played.done.statement.shares, True)
    for member in world.pool.members():
        before = [_balance(world, token, member.account) for token in world.tokens]
        world.pool.claim(member.index, [0])
        after = [_balance(world, token, member.account) for token in world.tokens]
        paid = [b - a for a, b in zip(before, after)]
        assert paid == [column.payouts[member.index] for column in matrix.tokens]
    assert all(sum(column.payouts) == column.reserved <= column.budget for column in matrix.tokens)


def test_a_preview_is_what_settling_then_sets_aside(played: Played) -> None:
    settled = settled_matrix(played.world.pool, EPOCH)
    assert replace(played.preview, settled=True) == settled
    assert settled.tokens[0].fee > 0


def test_a_matrix_as_json_and_parquet(played: Played, tmp_path: Path) -> None:
    import duckdb

    matrix = settled_matrix(played.world.pool, EPOCH)
    listed = json.loads(json.dumps(matrix.to_json()))
    assert [peer["share"] for peer in listed["peers"]] == list(matrix.shares)
    write_parquet(matrix.rows(), tmp_path / "matrix.parquet")
    amounts = duckdb.sql(f"SELECT sum(amount::HUGEINT) FROM '{tmp_path / 'matrix.parquet'}' GROUP BY token")
    assert sorted(int(row[0]) for row in amounts.fetchall()) == sorted(t.reserved for t in matrix.tokens)


def test_an_empty_matrix_is_a_parquet_file_too(tmp_path: Path) -> None:
    empty = RewardMatrix(Account(bytes(20)), EPOCH, True, (), (), ())
    write_parquet(empty.rows(), tmp_path / "empty.parquet")
    assert (tmp_path / "empty.parquet").read_bytes()[:4] == b"PAR1"


def test_a_proof_file_survives_the_disk_and_checks(played: Played) -> None:
    again = ProofFile.parse(played.file.serialize())
    assert again == played.file
    assert again.check() >= 100


@pytest.mark.parametrize(
    "change",
    [{"epoch": 1}, {"submitter": Account(b"\x01" * 20)}, {"c": 4097}, {"sum_trust": 0}, {"chain_id": 1}],
)
def test_a_proof_file_with_another_statement_is_rejected(played: Played, change: dict[str, object]) -> None:
    lie = replace(played.file, statement=replace(played.file.statement, **change))  # type: ignore[arg-type]
    with pytest.raises(ProofRejected):
        lie.check()


@given(st.binary(max_size=200))
def test_any_bytes_as_a_proof_file_are_rejected_with_a_reason(data: bytes) -> None:
    with pytest.raises(ProofRejected, match="file"):
        ProofFile.parse(data)


@given(st.integers(0, 255), st.binary(min_size=1, max_size=50))
def test_the_envelope_can_be_taken_off(log_rows: int, proof: bytes) -> None:
    class Air:
        def __init__(self) -> None:
            self.log_rows = log_rows

    assert unwrap(envelope(Air(), proof)) == (log_rows, proof)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"\x0d", b"\x0d" + bytes(8), b"\x0dproof" + b"\x01" * 8])
def test_what_is_no_envelope_is_rejected(data: bytes) -> None:
    with pytest.raises(ProofRejected, match="envelope"):
        unwrap(data)


def _balance(world: World, token: Account, account: Account) -> int:
    return int(Contract(world.chain, artifact("mocks/token"), token).call("balanceOf", account))


def forwarder(pool: Pool) -> bytes:
    """Code of a contract that calls the pool with whatever it was called with, and deploys it."""
    call = "36 5f 5f 37 5f 5f 36 5f 5f 73" + pool.address.hex() + "5a f1 6026 57 5f 5f fd 5b 00"
    code = bytes.fromhex(call)
    return bytes.fromhex(f"60{len(code):02x} 600a 5f 39 60{len(code):02x} 5f f3") + code


def settle_through_another_contract(world: World) -> tuple[bytes, bytes]:
    """Return the call that another contract made, and the transaction."""
    pool = world.pool
    between = world.chain.transact(None, forwarder(pool)).created
    assert between is not None
    dry = world.job("through", pool=pool).run(dry=True, submitter=between)
    kept = json.loads((world.home / "through" / "attestation.json").read_text())
    signatures = {int(id): bytes.fromhex(text) for id, text in kept["signatures"].items()}
    statement, air = dry.statement, dry.epoch.air(ONCHAIN_100)
    call = pool.contract.calldata(
        "settle",
        EPOCH,
        statement.root.ljust(32, b"\0"),
        combine(pool.terms().trackers, signatures),
        Totals(statement.sum_trust, statement.sum_pretrust),
        pack_shares(statement.shares),
        envelope(air, dry.proof),
    )
    return call, world.chain.transact(between, call).transaction


@pytest.mark.slow
def test_an_epoch_settled_through_another_contract_is_checked_by_the_calls_data(tmp_path: Path) -> None:
    world = World(tmp_path, quorum=1, secrets=[BlsSecret(1001)])
    world.close_epoch()
    world.trackers[0].hold(*world.honest())
    call, transaction = settle_through_another_contract(world)
    with pytest.raises(ChainError, match=r"through another contract, and .* traces: give .* --calldata"):
        check_settled(world.pool, EPOCH)
    assert check_settled(world.pool, EPOCH, call).transaction == transaction
    with pytest.raises(ChainError, match="not the call that settled"):
        check_settled(world.pool, EPOCH, call[:4] + bytes(32) + bytes([1]) + call[37:])
    for lie in (b"", call[:100], bytes(len(call))):
        with pytest.raises(ChainError):
            check_settled(world.pool, EPOCH, lie)


@pytest.mark.slow
@pytest.mark.interop
def test_a_node_that_traces_tells_the_call_by_itself(tmp_path: Path) -> None:
    with node(tmp_path) as running:
        world = NodeWorld(tmp_path, running, patience=20.0, quorum=1, secrets=[BlsSecret(1002)])
        world.close_epoch()
        call, transaction = settle_through_another_contract(world)
        assert world.pool.chain.calldata(transaction)[0] != world.pool.address
        assert world.pool.chain.calls_to(world.pool.address, transaction) == [call]
        assert check_settled(world.pool, EPOCH).transaction == transaction
