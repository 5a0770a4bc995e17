"""Provers that cheat in one place and are honest in all others, before both verifiers.

Damaged bytes (`test_verifier_mutants.py`) spoil the transcript and so fail early. Here everything that
comes after the lie is made to fit it, so that exactly one check stands between the proof and
acceptance. Numbers are those of the list of hostile proofs.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from eth_account import Account as EthAccount

from axon.chain.artifacts import artifact
from axon.chain.deploy import deploy_reward_verifier
from axon.chain.rpc import RpcChain
from axon.chain.wallet import KeyWallet
from axon.rewards.air import Statement
from axon.stark import ONCHAIN_100, Air, Options, Proof, PublicList, prover, verifier
from axon.stark.field import P
from axon.stark.transcript import Tag, Transcript
from axon.stark.vyper import envelope
from tests.contracts.epochs import SEED, trace_epoch
from tests.contracts.judges import Case, Judges, Node, packed
from tests.interop.anvil import MNEMONIC, anvil
from tests.stark import cases

EthAccount.enable_unaudited_hdwallet_features()
pytestmark = [pytest.mark.interop, pytest.mark.slow]

OPTIONS = ONCHAIN_100  # proves in a second


@pytest.fixture(scope="module")
def judges() -> Iterator[Judges]:
    with anvil() as url:
        chain = RpcChain(url, KeyWallet(bytes(EthAccount.from_mnemonic(MNEMONIC).key)))
        address = deploy_reward_verifier(chain, OPTIONS.name)
        abi = artifact("stark/axr1_100").abi
        yield Judges(Node(url), address, next(e for e in abi if e.get("name") == "verify"), OPTIONS)


@pytest.fixture(scope="module")
def epoch() -> tuple[cases.Case, Statement]:
    air, trace, said = trace_epoch(60, 12, 7, {}, options=OPTIONS)
    return (air, trace, said.public(), {"attested_seed": SEED}), said


def refused(judges: Judges, epoch: tuple[cases.Case, Statement], proof: Proof) -> tuple[str, str]:
    """The two refusals."""
    case = Case(epoch[0][0], epoch[1], proof)
    check, reason = judges.python(case, proof.data), judges.evm(case, proof.data)
    assert check and reason, (check, reason)
    return check, reason


def test_the_forger_s_tools_make_proofs_that_are_accepted_when_he_does_not_lie(
    judges: Judges, epoch: Any
) -> None:
    case = Case(epoch[0][0], epoch[1], cases.prove_anything(epoch[0], OPTIONS))
    assert judges.python(case, case.proof.data) == judges.evm(case, case.proof.data) == ""


@pytest.mark.parametrize(
    "tag",
    [
        Tag.STATEMENT,
        Tag.PUBLIC,
        Tag.MAIN,
        Tag.AUXILIARY,
        Tag.QUOTIENT,
        Tag.FRAME,
        Tag.LAYER,
        Tag.FINAL,
        Tag.NONCE,
    ],
)
def test_1_to_9_a_prover_that_does_not_absorb_is_refused(judges: Judges, epoch: Any, tag: Tag) -> None:
    """What follows could be chosen after the challenge."""
    absorb = Transcript.absorb

    def absorbing(self: Transcript, what: Tag, data: bytes) -> None:
        if what != tag:
            absorb(self, what, data)

    with mock.patch.object(Transcript, "absorb", absorbing):
        proof = cases.honest(epoch[0], OPTIONS)
    early = {Tag.LAYER: "grinding", Tag.FINAL: "grinding", Tag.NONCE: "merkle attested"}
    assert refused(judges, epoch, proof)[0] == early.get(
        tag, "constraints" if tag != Tag.FRAME else "grinding"
    )


def test_4_auxiliary_columns_made_before_the_main_root_are_refused(judges: Judges, epoch: Any) -> None:
    """Challenges drawn first, the main root absorbed after."""
    element, absorb = Transcript.element, Transcript.absorb
    late: list[bytes] = []

    def absorbing(self: Transcript, what: Tag, data: bytes) -> None:
        if what == Tag.MAIN:
            late.append(data)
            return
        if what == Tag.AUXILIARY:
            absorb(self, Tag.MAIN, late.pop())
        absorb(self, what, data)

    with (
        mock.patch.object(Transcript, "absorb", absorbing),
        mock.patch.object(Transcript, "element", element),
    ):
        proof = cases.honest(epoch[0], OPTIONS)
    assert refused(judges, epoch, proof)[0] == "constraints"


def test_8_a_nonce_without_work_is_refused(judges: Judges, epoch: Any) -> None:
    assert refused(judges, epoch, cases.lazy(epoch[0], OPTIONS)) == ("grinding", "verifier: grinding")


def other_options(**change: Any) -> tuple[tuple[cases.Case, Statement], Proof]:
    """A prover under other options that says these; the attested root is made as he likes it, too."""
    other = replace(OPTIONS, claimed_bits=0, **change)
    said, rows = verifier.statement, Air.rows
    with ExitStack() as patches:
        for what, name, new in (
            (prover, "statement", lambda air, _: said(air, OPTIONS)),
            (Air, "rows", lambda air, _: rows(air, OPTIONS)),
            (Options, "quotient_blinding", OPTIONS.quotient_blinding),
            (Options, "random_rows", OPTIONS.random_rows),
        ):
            patches.enter_context(mock.patch.object(what, name, new))
        air, trace, statement = trace_epoch(60, 12, 7, {}, options=other)
        case = (air, trace, statement.public(), {"attested_seed": SEED})
        return (case, statement), cases.honest(case, other)


@pytest.mark.parametrize(
    ("item", "change"),
    [
        ("10 fewer queries", {"queries": OPTIONS.queries - 1}),
        ("11 hardly a query", {"queries": 1}),
        ("10 less work", {"grinding_bits": 8}),
        ("12 a longer final polynomial", {"log_final": 7}),
        ("12 a shorter final polynomial", {"log_final": 1}),
        ("23 shallower trees", {"log_blowup": OPTIONS.log_blowup - 1}),
        ("23 deeper trees", {"log_blowup": OPTIONS.log_blowup + 1}),
        ("2 FRI by four", {"log_fold": 2}),
    ],
)
def test_2_10_11_12_23_options_are_not_the_prover_s(
    judges: Judges, epoch: Any, item: str, change: Any
) -> None:
    check, reason = refused(judges, *other_options(**change))
    assert not {check, reason} & {"constraints", "verifier: constraints"}, item  # it came that far


def test_12_13_the_final_polynomial_is_the_last_fold(judges: Judges, epoch: Any) -> None:
    def wrong(final: np.ndarray) -> np.ndarray:
        out = final.copy()
        out[0, 0] ^= np.uint64(1)
        return out

    proof = cases.with_final(epoch[0], wrong, OPTIONS)
    assert refused(judges, epoch, proof) == ("fri-final", "verifier: fri final")


def lying(epoch: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> tuple[cases.Case, Statement]:
    """The honest witness for another statement."""
    (air, trace, public, extra), said = epoch
    changes = change({"shares": said.shares, "c": said.c, "sum_trust": said.sum_trust, "c_e": said.c_e})
    other = replace(said, **changes)
    return (air, trace, {**public, **other.public()}, extra), other


@pytest.mark.parametrize(
    ("item", "change"),
    [
        ("one share more", lambda p: {"shares": (p["shares"][0] + 1, *p["shares"][1:])}),
        ("two peers change", lambda p: {"shares": (p["shares"][1], p["shares"][0], *p["shares"][2:])}),
        ("another peer", lambda p: {"shares": (*p["shares"], 1)}),
        ("a peer less", lambda p: {"shares": p["shares"][:-1]}),
        ("c", lambda p: {"c": p["c"] + 1}),
        ("all the trust there can be", lambda p: {"sum_trust": p["sum_trust"] + 1}),
        ("c_e", lambda p: {"c_e": p["c_e"] - 1}),
    ],
)
def test_14_26_no_false_statement_is_proven(judges: Judges, epoch: Any, item: str, change: Any) -> None:
    false = lying(epoch, change)
    proof = cases.prove_anything(false[0], OPTIONS)
    assert refused(judges, false, proof) == ("constraints", "verifier: constraints"), item


def test_14_25_no_false_witness_is_proven(judges: Judges, epoch: Any) -> None:
    """One cell at a time: of edges, and of running sums where active rows end."""
    air, trace, public, extra = epoch[0]
    rows = air.rows(OPTIONS)
    cells = [("d", 0), ("r", 3), ("u", 5), ("limb 0", 7), ("limb 7", 9)]
    cells += [("trust so far", rows - 2), ("trust so far", rows - 1), ("pretrust so far", rows - 1)]
    for name, row in cells:
        column = np.array(trace[name], np.uint64)
        column[row] = (int(column[row]) + 1) % P
        proof = cases.prove_anything((air, {**trace, name: column}, public, extra), OPTIONS)
        assert refused(judges, epoch, proof) == ("constraints", "verifier: constraints"), (name, row)


@pytest.mark.parametrize(
    ("item", "change"),
    [
        ("a spare bit", lambda words: [words[0] | 1, *words[1:]]),
        ("a share behind the last", lambda words: [*words[:-1], words[-1] | 1 << 16]),
        ("a word more", lambda words: [*words, 0]),
        ("a word less", lambda words: words[:-1]),
    ],
)
def test_1_the_words_of_shares_are_exact(judges: Judges, epoch: Any, item: str, change: Any) -> None:
    """The pool makes claims of these words; a prover absorbs what he pleases, so the contract must look."""
    (air, *_), said = epoch
    changed = change(packed(said.shares))
    with mock.patch.object(PublicList, "pack", lambda *_: b"".join(w.to_bytes(32, "big") for w in changed)):
        proof = cases.honest(epoch[0], OPTIONS)
    assert judges.evm_raw(said, envelope(air, proof), changed).startswith("verifier: shares"), item


def test_16_frames_of_z_and_its_successor_do_not_swap(judges: Judges, epoch: Any) -> None:
    deep = prover._deep

    def swapped(*args: Any) -> Any:
        return deep(*args[:3], args[4], args[3], *args[5:])

    with mock.patch.object(prover, "_deep", swapped):
        proof = cases.honest(epoch[0], OPTIONS)
    assert refused(judges, epoch, proof) == ("constraints", "verifier: constraints")


def test_17_quotient_segments_are_as_many_as_the_degree_says(judges: Judges, epoch: Any) -> None:
    real = Options.quotient_segments
    with mock.patch.object(Options, "quotient_segments", lambda self, air: real(self, air) + 1):
        proof = cases.honest(epoch[0], OPTIONS)
    refused(judges, epoch, proof)


def test_18_positions_are_the_transcript_s(judges: Judges, epoch: Any) -> None:
    positions = Transcript.positions
    for biased in (
        lambda drawn, size: [p % (1 << size - 1) for p in drawn],
        lambda drawn, size: [(p + 1) % (1 << size) for p in drawn],
        lambda drawn, size: [*drawn[:-1], drawn[0]],
        lambda drawn, size: [drawn[0]] * len(drawn),
    ):

        def drawn(self: Transcript, count: int, size: int, biased: Any = biased) -> list[int]:
            return list(biased(positions(self, count, size), size))

        with mock.patch.object(Transcript, "positions", drawn):
            proof = cases.honest(epoch[0], OPTIONS)
        refused(judges, epoch, proof)


def test_20_fri_of_another_codeword_is_refused(judges: Judges, epoch: Any) -> None:
    """Of as low a degree, so that only the tie to the opened rows can tell."""

    def other(codeword: np.ndarray) -> np.ndarray:
        out = codeword.copy()
        out[0] = np.where(out[0] == P - 1, 0, out[0] + np.uint64(1))
        return out

    proof = cases.with_codeword(epoch[0], other, OPTIONS)
    check, reason = refused(judges, epoch, proof)
    assert check == "fri-layer 0" and reason in ("verifier: fri layer", "verifier: fri final")
