"""Axon: summon a BitTorrent swarm to host a file, and pay those who host it.

Importing `axon` loads neither trio nor numba; the libraries are `axon.bt`
(the BitTorrent protocol), `axon.stark` (proofs) and `axon.aggregator` (rewards).
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
