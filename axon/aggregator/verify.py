"""Check a settled epoch from chain data alone: nobody who settled it, and no tracker, is asked.

From the settlement's transaction come root, attestation, sums, shares and proof; from the pool
its terms; from the registry the trackers' keys. Checked here, in Python: the proof, the
quorum's signature, that the shares are what the pool pays from, and that payouts add up.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from axon.aggregator.matrix import RewardMatrix, settled_matrix
from axon.aggregator.proofs import ProofFile, unwrap
from axon.chain.artifacts import artifact
from axon.chain.attestation import attestation_digest
from axon.chain.contract import Contract, Event
from axon.chain.pool import Pool, Terms
from axon.chain.shares import unpack_shares
from axon.errors import ChainError, ConfigError, ProofRejected
from axon.ids import Epoch
from axon.rewards.air import Statement
from axon.stark import COMPACT_100, COMPACT_128, OFFCHAIN_100, OFFCHAIN_128, ONCHAIN_100, ONCHAIN_128

__all__ = ["CheckedEpoch", "check_settled"]

_SETS: Final = (ONCHAIN_100, ONCHAIN_128, COMPACT_100, COMPACT_128, OFFCHAIN_100, OFFCHAIN_128)


@dataclass(frozen=True, slots=True)
class CheckedEpoch:
    """What was found to hold."""

    proof: ProofFile
    bits: float  # proven
    signers: tuple[int, ...]  # trackers' ids
    transaction: bytes
    matrix: RewardMatrix


def check_settled(pool: Pool, epoch: Epoch, calldata: bytes | None = None) -> CheckedEpoch:
    """Check one epoch.

    Parameters
    ----------
    calldata : bytes, optional
        Of the call to `settle`, from wherever: if another contract made it, and the node gives no traces,
        the chain does not tell. It is believed only as far as the chain confirms it.

    Raises
    ------
    ChainError
        If it is not settled, or the chain's data contradict one another.
    ProofRejected
        If the proof or the attestation does not hold.
    """
    settled = pool.contract.events("Settled", epoch=epoch)
    if not settled:
        raise ChainError(f"epoch {epoch} is not settled")
    event, terms = settled[0], pool.terms()
    if calldata is None:
        calldata = _calldata(pool, event)
    number, padded_root, attestation, totals, words, wrapped = pool.contract.arguments("settle", calldata)
    if (number, padded_root) != (epoch, event["receipts_root"]):
        raise ChainError(
            f"not the call that settled epoch {epoch} in transaction 0x{event.transaction.hex()}"
        )
    shares = tuple(unpack_shares(words, event["members"]))
    if list(shares) != pool.shares_of(epoch).shares:
        raise ChainError(f"epoch {epoch}: the transaction's shares are not the pool's")
    signers = _check_attestation(pool, terms, epoch, padded_root, attestation)
    log_rows, raw = unwrap(wrapped)
    statement = Statement(
        pool.chain.chain_id,
        pool.address,
        epoch,
        event["submitter"],
        padded_root,
        terms.c,
        terms.c_e,
        totals.trust,
        totals.pretrust,
        shares,
    )
    proof, bits = _check_proof(statement, log_rows, raw)
    return CheckedEpoch(proof, bits, signers, event.transaction, settled_matrix(pool, epoch))


def _calldata(pool: Pool, event: Event) -> bytes:
    """Find the call to `settle` in the transaction that settled."""
    to, data = pool.chain.calldata(event.transaction)
    if to == pool.address:
        return data
    how = f"transaction 0x{event.transaction.hex()} settled epoch {event['epoch']} through another contract"
    try:
        calls = pool.chain.calls_to(pool.address, event.transaction)
    except ChainError as error:
        raise ChainError(f"{how}, and {error}: give the call's data by --calldata") from error
    for call in calls:
        try:
            number, root, *_ = pool.contract.arguments("settle", call)
        except ChainError:
            continue  # a call of another function
        if (number, root) == (event["epoch"], event["receipts_root"]):
            return call
    raise ChainError(f"{how}: its trace has no such call; give the call's data by --calldata")


def _check_attestation(
    pool: Pool, terms: Terms, epoch: Epoch, root: bytes, attestation: Any
) -> tuple[int, ...]:
    from axon.bls import verify_aggregate

    if attestation.signers >> len(terms.trackers):
        raise ProofRejected("attestation", "signed by trackers that the pool does not have")
    signers = tuple(id for k, id in enumerate(terms.trackers) if attestation.signers >> k & 1)
    if len(signers) < terms.quorum:
        raise ProofRejected("attestation", f"{len(signers)} signers, the pool wants {terms.quorum}")
    registry = Contract(pool.chain, artifact("trackers"), pool.contract.call("trackers"))
    keys = [registry.call("key_of", id) for id in signers]
    digest = attestation_digest(pool.chain.chain_id, pool.address, epoch, root, pool.rules_hash())
    if not verify_aggregate(keys, digest, attestation.signature):
        raise ProofRejected("attestation", "the quorum's signature does not verify")
    return signers


def _check_proof(statement: Statement, log_rows: int, raw: bytes) -> tuple[ProofFile, float]:
    """Find the named options that the proof was made for: those under which it holds."""
    reasons = []
    for options in _SETS:
        root, padding = statement.root[: options.digest_bytes], statement.root[options.digest_bytes :]
        if any(padding):
            continue
        file = ProofFile(log_rows, options.name, replace(statement, root=root), raw)
        try:
            return file, file.check()
        except (ProofRejected, ConfigError) as error:
            reasons.append(f"{options.name}: {error}")
    raise ProofRejected("proof", "; ".join(reasons) or "the root fits no set of options")
