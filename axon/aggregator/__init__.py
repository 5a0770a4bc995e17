"""Receipts to rewards: an epoch's edges, the reward function AXR-1, and functions to compare it with."""

from axon.aggregator.edges import EdgeError, Edges
from axon.aggregator.reward import Rewards, axr1, publisher_pretrust

__all__ = ["EdgeError", "Edges", "Rewards", "axr1", "publisher_pretrust"]
