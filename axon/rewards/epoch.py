"""One epoch of one pool, rebuilt from receipts: the same by every tracker and aggregator.

`EpochRules` is what the chain says; `rebuild` turns it and receipts into the
numbers of the proof; `commit` gives the root that trackers sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from axon.ids import NodeKey
from axon.receipts import Scope
from axon.rewards.air import attested_columns, log_rows_for, reward_air
from axon.rewards.collect import Collected, Joined, collect
from axon.rewards.function import Rewards, publisher_pretrust, rewards
from axon.stark import Air, Options, commit_segment

__all__ = ["EpochRules", "RebuiltEpoch", "commit", "rebuild"]


@dataclass(frozen=True, slots=True)
class EpochRules:
    """What a pool's terms and joins fix for one epoch."""

    scope: Scope
    torrent_blocks: int  # of 16 KiB
    c: int
    c_e: int
    lambda_: int  # units of 2^-16
    weights: tuple[tuple[NodeKey, int], ...]  # whom the publisher trusts
    joined: tuple[Joined, ...]  # by index, everyone whom the settlement lists


@dataclass(frozen=True, slots=True)
class RebuiltEpoch:
    """An epoch's receipts as the reward function sees them, and what it makes of them."""

    rules: EpochRules
    collected: Collected
    pretrust: NDArray[np.uint64]  # (peers,)
    rewards: Rewards

    @property
    def shares(self) -> tuple[int, ...]:
        """Of the joined peers, by index, units of 2^-48."""
        return tuple(int(share) for share in self.rewards.shares[: self.collected.joined])

    def air(self, options: Options) -> Air:
        """The constraints, over as many rows as this epoch needs."""
        edges = self.collected.edges
        return reward_air(log_rows_for(len(edges), edges.n, options))


def rebuild(rules: EpochRules, sources: Iterable[Iterable[bytes]], *, processes: int = 2) -> RebuiltEpoch:
    """Check receipts and compute the rewards.

    Parameters
    ----------
    sources : iterable of iterables of bytes
        Raw receipts; see `axon.rewards.collect`.
    """
    collected = collect(sources, rules.scope, rules.joined, rules.torrent_blocks, processes=processes)
    index = {key: number for number, key in reversed(list(enumerate(collected.keys))) if key is not None}
    trusted: dict[int, int] = {}
    for key, weight in rules.weights:
        if key in index and weight > 0:
            trusted[index[key]] = trusted.get(index[key], 0) + weight
    pretrust = publisher_pretrust(collected.edges.n, trusted, collected.downloaders, (rules.lambda_, 1 << 16))
    return RebuiltEpoch(rules, collected, pretrust, rewards(collected.edges, pretrust, rules.c, rules.c_e))


def commit(epoch: RebuiltEpoch, seed: bytes, options: Options) -> bytes:
    """Return R: the root of the attested segment, blinded from `seed`."""
    columns = attested_columns(epoch.collected.edges, epoch.pretrust, epoch.collected.joined)
    return commit_segment(epoch.air(options), columns, seed, options)
