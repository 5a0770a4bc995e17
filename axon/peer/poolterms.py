"""When a pool's epochs are, as its contract says; read from a node by a child process.

The libraries that speak to a node take a second and 40 MB to load, for one
answer that never changes: the child is gone with them as soon as it has told.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import trio

from axon.chain.schedule import Schedule
from axon.errors import AxonError, ChainError, ConfigError
from axon.ids import Account, InfoHash, format_account, parse_account, parse_info_hash

__all__ = ["PoolTerms", "read_terms"]

_TIMEOUT = 60.0  # seconds
_NO_LIBRARIES = 3  # exit code of the child


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """What a peer must know of a pool. All but `now` is fixed for good."""

    chain_id: int
    info_hash: InfoHash  # of the torrent that it pays for
    schedule: Schedule
    now: int = 0  # time of the chain's newest block, seconds since 1970; 0 if it was not asked

    def to_json(self) -> str:
        """Write it down."""
        schedule = self.schedule
        return json.dumps(
            {
                "chain_id": self.chain_id,
                "info_hash": self.info_hash.hex(),
                "start": schedule.start,
                "length": schedule.length,
                "epochs": schedule.epochs,
                "now": self.now,
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        ConfigError
            If it is something else.
        """
        try:
            row = json.loads(text)
            schedule = Schedule(int(row["start"]), int(row["length"]), int(row["epochs"]))
            terms = cls(int(row["chain_id"]), parse_info_hash(row["info_hash"]), schedule, int(row["now"]))
        except (ValueError, LookupError, TypeError, AxonError) as error:
            raise ConfigError(f"terms of a pool: {error!r:.200}") from error
        if schedule.length < 1 or schedule.epochs < 1:
            raise ConfigError(f"terms of a pool: {schedule.epochs} epochs of {schedule.length} s")
        return terms


async def read_terms(url: str, pool: Account) -> PoolTerms:
    """Ask a node for a pool's terms.

    Raises
    ------
    ChainError
        If the node does not answer, or has no such pool: perhaps it will later.
    ConfigError
        If the libraries for it are not installed.
    """
    command = [sys.executable, "-m", "axon.peer.poolterms", url, format_account(pool)]
    with trio.move_on_after(_TIMEOUT):
        try:
            done = await trio.run_process(
                command, capture_stdout=True, capture_stderr=True, check=False, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise ChainError(f"cannot start {sys.executable}: {error.strerror}") from error
        if done.returncode == 0:
            return PoolTerms.from_json(done.stdout)
        complaint = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        if done.returncode == _NO_LIBRARIES:
            raise ConfigError(f"--rpc needs the chain's libraries (pip install axon[chain]): {complaint}")
        raise ChainError(complaint or f"status {done.returncode}")
    raise ChainError(f"no answer within {_TIMEOUT:g} s")


def _main(argv: Sequence[str]) -> int:
    url, address = argv
    try:
        from axon.chain.pool import Pool
        from axon.chain.rpc import RpcChain
    except ImportError as error:
        print(error, file=sys.stderr)
        return _NO_LIBRARIES
    try:
        chain = RpcChain(url)
        terms = Pool(chain, parse_account(address)).terms()
        found = PoolTerms(chain.chain_id, terms.info_hash, terms.schedule, chain.now())
    except AxonError as error:
        print(error, file=sys.stderr)
        return 1
    print(found.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
