"""A tracker seen by the aggregator: its receipts, its key, its word (docs/tracker-api.md).

Answers are bounded and believed as little as possible: receipts are checked again,
signatures and inclusions verified.
"""

import http.client
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from axon.bls import verify_aggregate
from axon.bt.inclusion import ACCEPTED, MAX_SUBMISSION, decode_answer
from axon.chain.attestation import attestation_digest
from axon.errors import TrackerError
from axon.ids import Account, Epoch, NodeKey, format_account
from axon.receipts import RECEIPT_SIZE
from axon.rewards.attestation import AttestRequest, Difference, Refusal
from axon.safejson import loads

__all__ = ["TrackerClient"]

_TIMEOUT = 60.0  # seconds without a byte
_MAX_JSON = 64 << 20  # bytes; a refusal lists what differs
_MAX_RECEIPTS = (1 << 20) * RECEIPT_SIZE  # one for each edge that AXR-1 takes


class TrackerClient:
    """One tracker over HTTP or HTTPS.

    Parameters
    ----------
    url : str
        Its root, such as ``http://tracker.example:6969``; a path is kept, a query is not.

    Raises
    ------
    TrackerError
        If the URL is not HTTP, or (by any method) the tracker fails or answers with nonsense.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TrackerError(f"tracker {url!r}: want http://HOST:PORT")
        self.url = url.rstrip("/")
        self._secure, self._host = parts.scheme == "https", parts.hostname
        self._port, self._prefix = parts.port, parts.path.rstrip("/")

    def public_key(self) -> bytes:
        """Return the BLS key that it says it signs with (256 bytes)."""
        try:
            return bytes.fromhex(loads(self._ask("GET", "/keys"))["bls_public"])
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise TrackerError(f"{self.url}/keys: {error!r}") from error

    def receipts(self, chain_id: int, pool: Account, epoch: Epoch) -> Iterator[bytes]:
        """Yield its latest receipts of an epoch, unchecked, 236 bytes each."""
        path = f"/epochs/{format_account(pool)}/{epoch}/receipts?chain_id={chain_id}"
        body = self._ask("GET", path, limit=_MAX_RECEIPTS)
        if len(body) % RECEIPT_SIZE:
            raise TrackerError(
                f"{self.url}: {len(body)} bytes of receipts, want a multiple of {RECEIPT_SIZE}"
            )
        for at in range(0, len(body), RECEIPT_SIZE):
            yield body[at : at + RECEIPT_SIZE]

    def submit(self, receipts: Sequence[bytes]) -> int:
        """Hand receipts over; return how many it signed for."""
        taken = 0
        for at in range(0, len(receipts), MAX_SUBMISSION):
            body = b"".join(receipts[at : at + MAX_SUBMISSION])
            verdicts, _ = decode_answer(self._ask("POST", "/receipts", body), body)
            taken += sum(verdict.status in ACCEPTED for verdict in verdicts)
        return taken

    def attest(self, request: AttestRequest, rules_hash: bytes, public_key: bytes) -> bytes:
        """Ask for its signature of a root and check it; 128 bytes.

        Raises
        ------
        Refusal
            If it does not sign; with what differs.
        """
        answer = self._ask("POST", "/attest", request.serialize(), refusals=True)
        try:
            top: Any = loads(answer)
            if "error" in top:
                found = tuple(
                    Difference(NodeKey(bytes.fromhex(i)), NodeKey(bytes.fromhex(j)), int(theirs), int(ours))
                    for i, j, theirs, ours in top.get("differences", ())
                )
                raise Refusal(str(top["error"])[:500], found)
            signature = bytes.fromhex(top["signature"])
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise TrackerError(f"{self.url}/attest: {error!r}") from error
        digest = attestation_digest(request.chain_id, request.pool, request.epoch, request.root, rules_hash)
        if not verify_aggregate([public_key], digest, signature):
            raise TrackerError(f"{self.url}: its signature does not verify")
        return signature

    def _ask(
        self, method: str, path: str, body: bytes = b"", *, limit: int = _MAX_JSON, refusals: bool = False
    ) -> bytes:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=_TIMEOUT)
        try:
            connection.request(method, self._prefix + path, body or None)
            answer = connection.getresponse()
            data = answer.read(limit + 1)
        except (OSError, http.client.HTTPException) as error:
            raise TrackerError(f"{self.url}: {error!r}") from error
        finally:
            connection.close()
        if len(data) > limit:
            raise TrackerError(f"{self.url}{path}: more than {limit} bytes")
        if answer.status != 200 and not (refusals and answer.status == 409):
            raise TrackerError(f"{self.url}{path}: status {answer.status}: {data[:200]!r}")
        return data
