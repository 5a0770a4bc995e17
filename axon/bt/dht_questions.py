"""Questions of a DHT node that await their answers: by transaction, with the times when to give up.

An answer counts only from the address that was asked, with the transaction that was sent; a
transaction is four random bytes.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from axon.bt.dht_id import NodeId
from axon.bt.dht_krpc import Address
from axon.bt.dht_lookup import Lookup

__all__ = ["Question", "Questions", "Search"]

_SLOW, _TIMEOUT = 1.0, 3.0  # seconds until another is asked meanwhile; until an answer is given up
_MAX_PENDING = 1024


@dataclass(slots=True, eq=False)
class Search:
    """A lookup, and what it is for."""

    lookup: Lookup
    method: bytes  # find_node or get_peers
    port: int | None = None  # ours, to be announced at its end
    answered: int = 0  # nodes


@dataclass(slots=True, eq=False)
class Question:
    """One query under way."""

    address: Address
    id: NodeId | None  # None if any may answer
    at: float
    search: Search | None
    slow: bool = False
    data: bytes = b""  # the datagram, to be sent once more when it is late


class Questions:
    """The queries under way.

    Parameters
    ----------
    rng : random.Random
        Of transactions: a spoofer must not guess them.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._pending: dict[bytes, Question] = {}  # oldest first
        self._awaited: Counter[Address] = Counter()

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def full(self) -> bool:
        """Are there too many for another?"""
        return len(self._pending) >= _MAX_PENDING

    def awaits(self, address: Address) -> bool:
        """Tell whether an address owes us an answer."""
        return address in self._awaited

    def ask(self, question: Question) -> bytes:
        """Take a question down; return its transaction."""
        transaction = self._rng.randbytes(4)
        while transaction in self._pending:
            transaction = self._rng.randbytes(4)
        self._pending[transaction] = question
        self._awaited[question.address] += 1
        return transaction

    def answered(self, transaction: bytes, address: Address) -> Question | None:
        """Return the question that an answer is to, and forget it; None if nobody asked."""
        question = self._pending.get(transaction)
        if question is None or question.address != address:
            return None
        return self._settle(transaction)

    def late(self, now: float) -> Iterator[Question]:
        """Yield those that became slow, and those that are given up: `slow` tells, once each."""
        for transaction, question in list(self._pending.items()):
            # The same sums as in `deadline`, or rounding would wake us for nothing for ever.
            if now < question.at + _SLOW:
                break
            if now >= question.at + _TIMEOUT:
                question.slow = False
                yield self._settle(transaction)
            elif not question.slow:
                question.slow = True
                yield question

    def deadline(self) -> float:
        """Return when `late` has something to tell; infinity if nothing is under way."""
        waits = (one.at + (_TIMEOUT if one.slow else _SLOW) for one in self._pending.values())
        return min(waits, default=float("inf"))

    def _settle(self, transaction: bytes) -> Question:
        question = self._pending.pop(transaction)
        self._awaited[question.address] -= 1
        if not self._awaited[question.address]:
            del self._awaited[question.address]
        return question
