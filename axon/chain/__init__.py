"""The contracts' client, and what needs no chain at all: attestations and lists of shares.

Names that load the ABI codec, web3.py or titanoboa are imported from their modules: `pool`
(pools with types), `rpc` (a JSON-RPC node), `embedded` (an EVM in this process), `deploy`,
`contract`, `wallet`. So a tracker that only signs needs none of those packages.
"""

from axon.chain.attestation import Attestation, attestation_digest, combine
from axon.chain.schedule import Schedule
from axon.chain.shares import ClaimProof, ShareList, pack_shares, unpack_shares

__all__ = [
    "Attestation",
    "ClaimProof",
    "Schedule",
    "ShareList",
    "attestation_digest",
    "combine",
    "pack_shares",
    "unpack_shares",
]
