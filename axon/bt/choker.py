"""Whom to upload to: a function of rates and now.

Leeching is tit for tat (Cohen 2003): the peers that send us most get slots, and
one more slot, rotating, goes to a peer chosen without regard to its rate, to
find better ones; newcomers are three times as likely, as they have nothing to
trade yet. A peer that snubs us gets the optimistic slot only. Seeding, slots
go round by time served, so that everybody gets a quota and fast peers are used.
One that asks for nothing keeps its slot only as long as nobody else wants it.
A peer that has used up its receipt credit gets nothing (`receipt_ext.py`).
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

__all__ = ["RECHOKE", "Candidate", "Changes", "Choker"]

RECHOKE = 10.0  # seconds between two choices
_OPTIMISTIC = 30.0  # seconds for which the optimistic slot stays
_NEW = 60.0  # seconds after connecting for which a peer is new
_NEW_WEIGHT = 3
_QUOTA = 20.0  # seconds, seeding: a slot is safe this long, then who waits longest comes next
_DEAF = 5.0  # seconds unchoked without a request, after which a slot is not safe

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Candidate(Generic[Key]):
    """One connected peer, as the choker sees it. Rates are bytes a second over about 20 s."""

    key: Key
    interested: bool  # in us
    choked: bool  # by us, now
    from_peer: float  # rate of what it sends us
    to_peer: float  # rate of what we send it
    connected_at: float  # seconds, the clock of `now`
    unchoked_at: float = 0.0  # when it was last unchoked; 0 for never
    used_at: float = 0.0  # when it last had a request waiting, or got a block
    snubbing: bool = False  # has sent nothing of what we asked for a minute
    upload_only: bool = False  # BEP 21: wants nothing
    may_upload: bool = True  # has receipt credit left
    preferred: bool = False  # the user's friend, or a node that signs receipts: wins ties

    @property
    def is_eager(self) -> bool:
        """Does it want blocks, and may it have them?"""
        return self.interested and not self.upload_only and self.may_upload

    def is_deaf(self, now: float) -> bool:
        """Does it have a slot and make no use of it?"""
        return not self.choked and now - max(self.unchoked_at, self.used_at) > _DEAF


@dataclass(slots=True)
class Changes(Generic[Key]):
    """What to send now."""

    choke: list[Key] = field(default_factory=list)
    unchoke: list[Key] = field(default_factory=list)


class Choker(Generic[Key]):
    """Chooses for one torrent.

    Parameters
    ----------
    slots : int
        Peers unchoked for their rate.
    optimistic : int
        Peers unchoked beside them to try them out.
    seed : int
        Of the optimistic choice.
    """

    def __init__(self, slots: int = 4, optimistic: int = 1, *, seed: int = 0) -> None:
        if slots < 1 or optimistic < 0:
            raise ValueError(f"{slots} slots, {optimistic} optimistic")
        self.slots, self.optimistic = slots, optimistic
        self._rng = Random(seed)
        self._tried: dict[Key, float] = {}  # in an optimistic slot -> since when

    def rechoke(self, peers: Iterable[Candidate[Key]], now: float, *, seeding: bool) -> Changes[Key]:
        """Choose anew; call every `RECHOKE` seconds, and when an unchoked peer leaves or loses interest.

        Returns
        -------
        Changes
            Only the differences: peers that stay as they are get no message.
        """
        peers = list(peers)
        eager = [peer for peer in peers if peer.is_eager]
        if seeding:
            self._tried.clear()
            chosen = {peer.key for peer in self._fair(eager, now)[: self.slots + self.optimistic]}
        else:
            ranked = sorted(
                (peer for peer in eager if not peer.snubbing),
                key=lambda peer: (-peer.from_peer, not peer.preferred, peer.choked),
            )
            # An optimistic peer that has earned a slot frees the optimistic one for the next.
            chosen = {peer.key for peer in ranked[: self.slots]}
            chosen |= self._optimists([peer for peer in eager if peer.key not in chosen], now)
        return Changes(
            choke=[peer.key for peer in peers if not peer.choked and peer.key not in chosen],
            unchoke=[peer.key for peer in peers if peer.choked and peer.key in chosen],
        )

    @staticmethod
    def is_wasteful(peers: Iterable[Candidate[Key]], now: float) -> bool:
        """Tell whether a seed should choose at once: one peer waits, another leaves its slot unused."""
        peers = list(peers)
        waiting = any(peer.is_eager and peer.choked for peer in peers)
        return waiting and any(peer.is_deaf(now) for peer in peers)

    def _optimists(self, rest: list[Candidate[Key]], now: float) -> set[Key]:
        waiting = {peer.key: peer for peer in rest}
        self._tried = {
            key: since
            for key, since in self._tried.items()
            if key in waiting and (now - since < _OPTIMISTIC or len(rest) <= self.optimistic)
        }
        fresh = [peer for peer in rest if peer.key not in self._tried and peer.choked]
        fresh = fresh or [peer for peer in rest if peer.key not in self._tried]
        while len(self._tried) < self.optimistic and fresh:
            weights = [_NEW_WEIGHT if now - peer.connected_at < _NEW else 1 for peer in fresh]
            (peer,) = self._rng.choices(fresh, weights)
            fresh.remove(peer)
            self._tried[peer.key] = now
        return set(self._tried)

    @staticmethod
    def _fair(eager: list[Candidate[Key]], now: float) -> list[Candidate[Key]]:
        """Seeding: those within their quota stay, fastest first; then who was served longest ago."""

        def rank(peer: Candidate[Key]) -> tuple[bool, bool, float, float, bool]:
            deaf = peer.is_deaf(now)
            within = not peer.choked and not deaf and now - peer.unchoked_at < _QUOTA
            served_at = 0.0 if within else (now if not peer.choked else peer.unchoked_at)
            return deaf, not within, served_at, -peer.to_peer, not peer.preferred

        return sorted(eager, key=rank)
