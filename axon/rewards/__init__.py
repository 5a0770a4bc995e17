"""Receipts to rewards, pure: checked edges, the reward function AXR-1, and its constraints.

Shared by those who attest an epoch (`axon.tracker`) and those who settle it
(`axon.aggregator`), so that both mean the same thing by it. `collect` takes raw
receipts, `rewards` gives shares, `air` proves them.
"""

from axon.rewards.collect import Collected, Joined, Refused, collect
from axon.rewards.edges import EdgeError, Edges
from axon.rewards.function import Rewards, axr1, publisher_pretrust, rewards

__all__ = [
    "Collected",
    "EdgeError",
    "Edges",
    "Joined",
    "Refused",
    "Rewards",
    "axr1",
    "collect",
    "publisher_pretrust",
    "rewards",
]
