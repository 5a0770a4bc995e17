"""Which epoch receipts are about, and when that changes.

A pool's terms are fixed for good, so they are read once, kept with the receipts,
and the epoch follows from our own clock. Neighbours whose clocks differ are
ordinary peers until both have turned (docs/receipts.md); what is verified
meanwhile waits for its receipt. A node that is away stops nothing: without terms
we are of a scope that nobody shares, and everything waits in the same way.
"""

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from axon.chain.schedule import Schedule
from axon.errors import ChainError, ConfigError
from axon.ids import ZERO_ACCOUNT, Account, Epoch, InfoHash, parse_account
from axon.peer.config import Config
from axon.peer.poolterms import PoolTerms, read_terms
from axon.receiptlog import ReceiptLog
from axon.receipts import Scope

__all__ = ["Epochs"]

_FOREVER = 1 << 32  # epochs; a receipt's number of the epoch has 32 bits
_LOOK = 10.0  # seconds between looks at the clock, which somebody may set
_BACK = 5.0  # seconds that the clock may be set back over a boundary without a return to the old epoch
_GAP = 3600.0  # seconds asleep after which the terms are read again
_RETRY = (2.0, 5.0, 15.0, 60.0, 300.0)  # seconds between attempts to reach the node
_SKEW = 30  # seconds that the chain's newest block may be ahead of our clock before we say so


class Epochs:
    """The clock of a pool's receipts, for all torrents of a process.

    Parameters
    ----------
    config : Config
        An epoch to stay in, a schedule, or a node that knows one; in this order.
    log : ReceiptLog
        Keeps the terms for the next start.
    emit : callable (event name, facts)
    wall : callable
        Seconds since 1970.
    read : callable
        Asks a node: `read_terms`.
    """

    def __init__(
        self,
        config: Config,
        log: ReceiptLog,
        emit: Callable[[str, dict[str, Any]], None],
        *,
        wall: Callable[[], float] = time.time,
        read: Callable[[str, Account], Awaitable[PoolTerms]] = read_terms,
    ) -> None:
        self._emit, self._wall, self._read, self._log = emit, wall, read, log
        self._pool = parse_account(config.pool)
        self._chain_id = config.chain_id
        self._info_hash: InfoHash | None = None  # that the pool pays for, if we know
        self._schedule: Schedule | None = None
        self._rpc: str | None = None
        self._nowhere: int | None = None  # a chain that does not exist, while we know no terms
        self.epoch = Epoch(config.epoch or 0)
        if config.epoch is not None:
            return
        if config.epoch_start is not None and config.epoch_length is not None:
            self._schedule = Schedule(config.epoch_start, config.epoch_length, _FOREVER)
        elif config.rpc is not None and self._pool != ZERO_ACCOUNT:
            self._rpc = config.rpc
            self._nowhere = random.getrandbits(63)
            if (kept := log.fact(self._fact)) is not None:
                self._take(PoolTerms.from_json(kept))
        self._look()

    @property
    def pace(self) -> float:
        """How often receipts should go out, in seconds: a few times an epoch, and not all too often."""
        return 15.0 if self._schedule is None else min(15.0, max(1.0, self._schedule.length / 4))

    def scope(self, info_hash: InfoHash) -> Scope:
        """Return what receipts of a torrent are about now."""
        if self._nowhere is not None:
            return Scope(self._nowhere, self._pool, info_hash, self.epoch)
        if self._info_hash not in (None, info_hash):
            return Scope(0, ZERO_ACCOUNT, info_hash, Epoch(0))  # the pool pays for another torrent
        return Scope(self._chain_id, self._pool, info_hash, self.epoch)

    async def run(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Await `turn` whenever `scope` has changed, until cancelled.

        Raises
        ------
        ConfigError
            If the terms can never be read, or are not those that were asked for.
        """
        async with trio.open_nursery() as nursery:
            if self._rpc is not None:
                nursery.start_soon(self._learn, self._rpc, turn)
            if self._rpc is not None or self._schedule is not None:
                nursery.start_soon(self._follow, turn)

    async def _follow(self, turn: Callable[[], Awaitable[None]]) -> None:
        slept_at = self._wall()
        while True:
            await trio.sleep(min(_LOOK, self._left()))
            now = self._wall()
            if now - slept_at > _GAP and self._rpc is not None:
                await self._learn(self._rpc, turn)
            slept_at = now
            if self._look():
                await turn()
                self._announce()

    async def _learn(self, url: str, turn: Callable[[], Awaitable[None]]) -> None:
        """Read the terms; as often as it takes, if we never had them."""
        attempt = 0
        while True:
            try:
                terms = await self._read(url, self._pool)
                break
            except ChainError as error:
                wait = _RETRY[min(attempt, len(_RETRY) - 1)]
                attempt += 1
                known = self._schedule is not None
                going = "the terms are known" if known else "receipts wait"
                self._warn(f"{url}: {error}; {going}" + ("" if known else f", again in {wait:.0f} s"))
                if known:
                    return  # they cannot have changed; it was to see whether our clock is right
            await trio.sleep(wait)
        if terms.now > self._wall() + _SKEW:
            behind = terms.now - self._wall()
            self._warn(f"our clock is {behind:.0f} s behind the chain's: receipts may miss their epoch")
        if self._take(terms):
            self._look()
            await turn()
            self._announce()
            await trio.to_thread.run_sync(self._log.set_fact, self._fact, terms.to_json().encode())

    def _take(self, terms: PoolTerms) -> bool:
        """Believe a pool's terms; tell whether they are new."""
        if self._chain_id not in (0, terms.chain_id):
            raise ConfigError(f"the node is of chain {terms.chain_id}, asked for was {self._chain_id}")
        new = self._schedule != terms.schedule or self._nowhere is not None
        self._chain_id, self._info_hash, self._schedule = terms.chain_id, terms.info_hash, terms.schedule
        self._nowhere = None
        return new

    def _look(self) -> bool:
        """Look at the clock; tell whether the epoch changed."""
        if self._schedule is None:
            return False
        epoch = self._schedule.epoch_at(self._wall())
        if epoch < self.epoch and self._schedule.epoch_at(self._wall() + _BACK) == self.epoch:
            return False
        changed, self.epoch = epoch != self.epoch, epoch
        return changed

    def _left(self) -> float:
        """Seconds until the epoch may change."""
        schedule, now = self._schedule, self._wall()
        if schedule is None or now >= schedule.end:
            return _LOOK
        return max(0.001, schedule.start + schedule.length * (self.epoch + 1) - now)

    def _announce(self) -> None:
        over = self._schedule is not None and self.epoch >= self._schedule.epochs
        self._emit("epoch", {"epoch": self.epoch, "pool": f"0x{self._pool.hex()}", "over": over})
        if over:
            self._warn(f"pool 0x{self._pool.hex()} is over: nobody pays for what is served now")

    def _warn(self, message: str) -> None:
        self._emit("warning", {"message": message})

    @property
    def _fact(self) -> str:
        return f"terms/{self._pool.hex()}"
