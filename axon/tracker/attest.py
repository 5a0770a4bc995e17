"""Attestation: sign an epoch's root, but only if it follows from receipts that we hold ourselves.

What is asked and how it is judged is `axon.rewards.attestation`: the epoch is rebuilt from our
receipts and the pool's rules, and the root recomputed from the seed that blinds it. What we
sign names the chain, the pool, the epoch and the pool's terms besides.
"""

from collections.abc import Callable
from typing import Any, Protocol

from axon.errors import AxonError
from axon.receiptlog import ReceiptLog
from axon.receipts import Scope
from axon.tracker.pools import Pools

__all__ = ["Attester", "Signer"]


class Signer(Protocol):
    """A BLS key; `axon.bls.BlsSecret` is one."""

    public: bytes

    def sign(self, message: bytes) -> bytes: ...


class Attester:
    """Answers ``POST /attest``; slow (a commitment, curve arithmetic), so call it in a thread.

    Parameters
    ----------
    signer : Signer
    pools : callable
        The pools of this moment: the file may be read again.
    """

    def __init__(self, signer: Signer, pools: Callable[[], Pools]) -> None:
        self._signer = signer
        self._pools = pools

    def attest(self, body: bytes, log: ReceiptLog) -> tuple[int, dict[str, Any]]:
        """Return an HTTP status and the answer: a signature, or an error with what differs.

        Raises
        ------
        AxonError
            If the request is malformed.
        StorageError
            If the disk refuses.
        """
        from axon.chain.attestation import attestation_digest  # the proof library takes a second to load
        from axon.rewards.attestation import AttestRequest, Refusal, judge

        request = AttestRequest.parse(body)
        rules = self._pools().rules(request.chain_id, request.pool)
        if rules is None:
            return 409, {"error": "the terms of this pool are not known here"}
        scope = Scope(request.chain_id, request.pool, rules.info_hash, request.epoch)
        held = log.latest(chain_id=scope.chain_id, pool=scope.pool, epoch=scope.epoch)
        evidence = (
            raw
            for proof in log.equivocations()
            if proof.first.scope == scope
            for raw in (proof.first.serialize(), proof.second.serialize())
        )
        try:
            judge(request, rules, [*(receipt.serialize() for receipt in held), *evidence])
        except Refusal as refusal:
            found = [[d.downloader.hex(), d.uploader.hex(), d.theirs, d.ours] for d in refusal.differences]
            return 409, {"error": str(refusal), "differences": found}
        except AxonError as error:
            return 409, {"error": str(error)}
        digest = attestation_digest(
            request.chain_id, request.pool, request.epoch, request.root, rules.rules_hash
        )
        return 200, {
            "signature": self._signer.sign(digest).hex(),
            "public_key": self._signer.public.hex(),
            "digest": digest.hex(),
        }
