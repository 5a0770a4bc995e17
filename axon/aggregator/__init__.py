"""An epoch from its receipts to its settlement, and research on reward functions.

The reward function itself is in `axon.rewards`, which trackers share.
"""

from axon.rewards import EdgeError, Edges, Rewards, axr1, publisher_pretrust

__all__ = ["EdgeError", "Edges", "Rewards", "axr1", "publisher_pretrust"]
