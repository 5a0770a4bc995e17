"""What each URL of the tracker does.

`fast` answers announces and scrapes at once; `respond` everything else, and may wait.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from axon import __version__
from axon.bt.tracker_http_server import decode_announce_query, decode_scrape_query
from axon.errors import ConfigError, RemoteProtocolError, StorageError
from axon.ids import Account, Epoch, NodeKey, parse_account
from axon.receipts import RECEIPT_SIZE
from axon.tracker.accounts import read_account
from axon.tracker.attest_process import AttestProcess
from axon.tracker.intake import Intake
from axon.tracker.logic import Count, Tracker
from axon.tracker.requests import HttpError, Request, response
from axon.tracker.worker import HTTP

if TYPE_CHECKING:
    from axon.tracker.ledger import AnnounceQueue

__all__ = ["App"]

_JSON: Final = b"application/json"
_OCTETS: Final = b"application/octet-stream"
_PAGES: Final = (b"/", b"/stats", b"/stats.json", b"/metrics", b"/health", b"/keys")
_CHUNK: Final = 4096  # receipts
_BODIES: Final = {  # bytes that a POST may bring
    b"/receipts": 2 << 20,  # `MAX_SUBMISSION` receipts
    b"/attest": 32 << 20,  # 2^20 edges
}
_MAX_HELD: Final = 256 << 20  # bytes of all bodies together


class App:
    """All endpoints.

    Parameters
    ----------
    tracker : Tracker
    trusted : sequence of networks
        Proxies whose X-Forwarded-For is believed.
    started : float
        Monotonic seconds.
    """

    def __init__(
        self,
        tracker: Tracker,
        *,
        trusted: Sequence[IPv4Network | IPv6Network],
        clock: Callable[[], float],
        connections: Callable[[], int],
    ) -> None:
        self.tracker = tracker
        self.trusted = trusted
        self.held = 0  # bytes of all the bodies that are arriving
        self.intake: Intake | None = None
        self.queue: AnnounceQueue | None = None
        self.accounts: Path | None = None
        self.attester: AttestProcess | None = None
        self.keys: dict[str, str] = {}
        self.healthy = True
        self._clock = clock
        self._started = clock()
        self._connections = connections

    def expect(self, request: Request) -> None:
        """Judge the size of a body before any of it is read.

        Raises
        ------
        HttpError
            If it is more than such a request may bring.
        """
        most = _BODIES.get(request.path, 0)
        if request.length > most:
            raise HttpError(413, f"body of {request.length} bytes, want at most {most}", close=True)

    def hold(self, size: int) -> None:
        """Count the bytes of a body that arrived; negative: that are gone.

        Raises
        ------
        HttpError
            If all bodies together are too much.
        """
        if size > 0 and self.held + size > _MAX_HELD:
            raise HttpError(503, f"{self.held} bytes of other requests are waiting", close=True)
        self.held += size

    # At once.

    def fast(self, request: Request, address: bytes, now: float) -> bytes | None:
        """Return the body of an answer to an announce or scrape, or None for any other request.

        Raises
        ------
        HttpError
            If it is an announce or scrape with a body, or not a GET.
        """
        if request.path not in (b"/announce", b"/scrape"):
            return None
        if request.method != b"GET" or request.length:
            raise HttpError(405, f"{request.method[:16]!r} with {request.length} bytes, want GET", close=True)
        try:
            if request.path == b"/scrape":
                asked = decode_scrape_query(request.query)
                if not asked.info_hashes:
                    return self.tracker.failure("scrape of all torrents is not offered: name info_hash")
                return self.tracker.scrape(asked.info_hashes)
            announce = decode_announce_query(request.query)
        except RemoteProtocolError as error:
            self.tracker.counters[Count.HTTP_ERRORS] += 1
            return self.tracker.failure(str(error))
        warning = None
        if announce.node_key is not None:
            if self.intake is not None and not self.intake.pools.registered(
                announce.info_hash, announce.node_key
            ):
                warning = "node key is not registered with a pool of this torrent"
            if self.queue is not None:
                self.queue.put(HTTP, request.query)
        return self.tracker.announce(announce, address, now, warning)

    def page(self, request: Request, *, close: bool) -> bytes | None:
        """Return the whole answer of a status page, or None for any other request."""
        if request.path not in _PAGES or request.method != b"GET" or request.length:
            return None
        status, kind, body = self._status(request.path)
        return response(status, body, close=close, kind=kind)

    # With patience.

    async def respond(
        self, request: Request, body: bytes, address: bytes, *, close: bool
    ) -> AsyncIterator[bytes]:
        """Yield the parts of a response.

        Raises
        ------
        HttpError
            If the request is refused.
        """
        path = request.path
        kind = b"text/plain; charset=utf-8"
        status = 200
        try:
            if path == b"/receipts":
                self._want(request, b"POST")
                if self.intake is None:
                    raise HttpError(404, "this tracker keeps no receipts")
                answer, kind = await self.intake.submit(body, address, self._clock()), _JSON
            elif path == b"/attest":
                self._want(request, b"POST")
                status, answer = await self._attest(body)
                kind = _JSON
            elif path.startswith(b"/epochs/"):
                self._want(request, b"GET")
                async for part in self._epoch(path, request.query, close):
                    yield part
                return
            elif path.startswith(b"/accounts/"):
                self._want(request, b"GET")
                answer, kind = await self._account(path), _JSON
            elif path in _PAGES:
                self._want(request, b"GET")
                status, kind, answer = self._status(path)
            else:
                raise HttpError(404, f"no {path[:80].decode('latin-1')!r} here")
        except StorageError as error:
            self.healthy = False
            raise HttpError(503, str(error)) from error
        yield response(status, answer, close=close, kind=kind)

    @staticmethod
    def _want(request: Request, method: bytes) -> None:
        if request.method != method:
            raise HttpError(405, f"{request.method[:16]!r}, want {method.decode()}")

    def _status(self, path: bytes) -> tuple[int, bytes, bytes]:
        if path == b"/health":
            return (
                (200, b"text/plain", b"ok\n") if self.healthy else (503, b"text/plain", b"storage failed\n")
            )
        if path == b"/keys":
            return 200, _JSON, json.dumps(self.keys).encode()
        stats = self.stats()
        if path == b"/stats.json":
            return 200, _JSON, json.dumps(stats).encode()
        if path == b"/metrics":
            lines = list[str]()
            for name, value in stats.items():
                if isinstance(value, (int, float)):
                    sort = "counter" if name.endswith("_total") else "gauge"
                    lines += [f"# TYPE axon_tracker_{name} {sort}", f"axon_tracker_{name} {value}"]
            return 200, b"text/plain; version=0.0.4", ("\n".join(lines) + "\n").encode()
        return 200, b"text/plain", "".join(f"{k:<28}{v}\n" for k, v in stats.items()).encode()

    def stats(self) -> dict[str, Any]:
        """Return the numbers of /stats, by name."""
        totals = self.tracker.store.totals()
        stats: dict[str, Any] = {
            "version": __version__,
            "uptime_seconds": round(self._clock() - self._started),
            "torrents": totals.torrents,
            "peers": totals.peers4 + totals.peers6,
            "peers_ipv4": totals.peers4,
            "peers_ipv6": totals.peers6,
            "seeders": totals.seeds,
            "leechers": totals.peers4 + totals.peers6 - totals.seeds,
            "swarm_bytes": totals.cost,
            "http_connections": self._connections(),
        }
        stats |= {f"{c.name.lower()}_total": int(self.tracker.counters[c]) for c in Count}
        if self.intake is not None:
            stats["receipts_accepted_total"] = self.intake.accepted
            stats["receipts_rejected_total"] = self.intake.rejected
        if self.queue is not None:
            stats["signed_announces_logged_total"] = self.queue.logged
            stats["signed_announces_refused_total"] = self.queue.refused
            stats["signed_announces_dropped_total"] = self.queue.dropped
        return stats

    async def _attest(self, body: bytes) -> tuple[int, bytes]:
        if self.attester is None:
            raise HttpError(404, "this tracker attests to nothing")
        status, answer = await self.attester.attest(body)
        if status not in (200, 409):
            raise HttpError(status, str(json.loads(answer)["error"]))
        return status, answer

    async def _epoch(self, path: bytes, query: bytes, close: bool) -> AsyncIterator[bytes]:
        """Stream an epoch's latest receipts: GET /epochs/{pool}/{epoch}/receipts?chain_id=N."""
        if self.intake is None:
            raise HttpError(404, "this tracker keeps no receipts")
        parts = path.decode("latin-1").split("/")
        try:
            if len(parts) != 5 or parts[4] != "receipts":
                raise ValueError("path")
            pool, epoch = parse_account(parts[2]), Epoch(int(parts[3]))
            terms = dict(term.partition(b"=")[::2] for term in query.split(b"&"))
            chain = int(terms[b"chain_id"]) if b"chain_id" in terms else None
            if not 0 <= epoch < 1 << 32 or (chain is not None and not 0 <= chain < 1 << 64):
                raise ValueError("range")
        except (ValueError, ConfigError):
            raise HttpError(404, "want /epochs/{pool}/{epoch}/receipts?chain_id=N") from None
        raw = await trio.to_thread.run_sync(self._held, self.intake, chain, pool, epoch)
        yield response(200, b"", close=close, kind=_OCTETS).replace(
            b"Content-Length: 0", b"Content-Length: %d" % (RECEIPT_SIZE * len(raw))
        )
        for k in range(0, len(raw), _CHUNK):
            yield b"".join(raw[k : k + _CHUNK])

    @staticmethod
    def _held(intake: Intake, chain: int | None, pool: Account, epoch: Epoch) -> list[bytes]:
        held = [r.serialize() for r in intake.log.latest(chain_id=chain, pool=pool, epoch=epoch)]
        # Contradictions too: an aggregator that knew one half only would count what we do not.
        for proof in intake.log.equivocations():
            scope = proof.first.scope
            if (scope.pool, scope.epoch) == (pool, epoch) and chain in (None, scope.chain_id):
                held += [proof.first.serialize(), proof.second.serialize()]
        return held

    async def _account(self, path: bytes) -> bytes:
        if self.accounts is None:
            raise HttpError(404, "this tracker keeps no accounts")
        try:
            key = NodeKey(bytes.fromhex(path.removeprefix(b"/accounts/").decode("ascii")))
        except ValueError:
            raise HttpError(404, "want /accounts/{node key}") from None
        rows = await trio.to_thread.run_sync(read_account, self.accounts, key)
        return json.dumps(
            {
                row.info_hash.hex(): {
                    "uploaded": row.uploaded,
                    "downloaded": row.downloaded,
                    "signed_at": row.signed_at,
                }
                for row in rows
            }
        ).encode()
