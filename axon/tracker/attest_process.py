"""Attestation in a process of its own: to parse a request of 32 MB alone would hold the announces up.

A question is a kind 1 and a body; `KEYS` asks for the BLS key and its proof of possession, `ATTEST`
has the body of ``POST /attest``. The child also reads the pools' files for itself, and ends
when nothing was asked for a minute: the proof library takes memory that a tracker has better uses for.
"""

import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from axon.errors import AxonError, ConfigError, StorageError
from axon.receiptlog import ReceiptLog
from axon.tracker.attest import Attester
from axon.tracker.child import Child, serve_parent
from axon.tracker.pools import Pools

__all__ = ["AttestProcess", "main"]

KEYS: Final = 0
ATTEST: Final = 1
_LINGER: Final = 60.0  # seconds


class AttestProcess:
    """The parent's end.

    Parameters
    ----------
    data : Path
        With the receipt log and ``bls.key``.
    pools : sequence of Path
        Files of pools with their terms; read again when they change, and passed over while missing.
    """

    def __init__(self, data: Path, pools: Sequence[Path]) -> None:
        self._child = Child("axon.tracker.attest_process", [str(data), *map(str, pools)], _LINGER)

    async def run(self) -> None:
        """End the child when it is idle; until cancelled."""
        await self._child.lingering()

    async def keys(self) -> dict[str, str]:
        """Return ``bls_public`` and ``bls_possession``, in hexadecimal.

        Raises
        ------
        AxonError
            If the key cannot be had.
        """
        status, answer = await self._ask(KEYS, b"")
        found: dict[str, str] = json.loads(answer)
        if status != 200:
            raise ConfigError(found["error"])
        return found

    async def attest(self, body: bytes) -> tuple[int, bytes]:
        """Return an HTTP status and the JSON.

        Raises
        ------
        StorageError
            If the child cannot be reached.
        """
        return await self._ask(ATTEST, body)

    async def aclose(self) -> None:
        """End the child."""
        await self._child.aclose()

    async def _ask(self, kind: int, body: bytes) -> tuple[int, bytes]:
        answer = await self._child.ask(bytes((kind,)) + body)
        return int.from_bytes(answer[:2], "big"), answer[2:]


class _Files:
    """The pools in some files as they are now."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._seen: tuple[object, ...] = ()
        self._pools = Pools({})

    def __call__(self) -> Pools:
        found = tuple((path, self._mark(path)) for path in self._paths)
        if found != self._seen:
            known = dict[tuple[int, bytes, bytes], Any]()
            for path, mark in found:
                if mark is not None:
                    known |= Pools.load(path, members=False).known or {}
            self._seen, self._pools = found, Pools(known)
        return self._pools

    @staticmethod
    def _mark(path: Path) -> object:
        try:
            status = path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


def main() -> None:
    """Serve the parent until it hangs up."""
    data, pools = Path(sys.argv[1]), _Files([Path(name) for name in sys.argv[2:]])
    attester: Attester | None = None
    log: ReceiptLog | None = None

    def judge(kind: int, body: bytes) -> tuple[int, Mapping[str, Any]]:
        nonlocal attester, log
        from axon.bls import BlsSecret  # half a second, and not part of a plain install

        secret = BlsSecret.load_or_create(data / "bls.key")
        if kind == KEYS:
            return 200, {
                "bls_public": secret.public.hex(),
                "bls_possession": secret.prove_possession().hex(),
            }
        attester = attester or Attester(secret, pools)
        log = log or ReceiptLog(data / "receipts.sqlite")
        return attester.attest(body, log)

    def answer(question: bytes) -> bytes:
        try:
            status, said = judge(question[0], question[1:])
        except StorageError as error:
            status, said = 503, {"error": str(error)}
        except (AxonError, ImportError) as error:
            status, said = 400, {"error": str(error)}
        except Exception as error:  # a bug, or memory: this request's end, not the tracker's
            traceback.print_exc()
            status, said = 500, {"error": repr(error)}
        return status.to_bytes(2, "big") + json.dumps(said).encode()

    serve_parent(answer)


if __name__ == "__main__":
    main()
