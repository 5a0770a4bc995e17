"""A STARK prover and verifier over Goldilocks that says how secure it is.

    from axon.stark import Air, OFFCHAIN_100, prove, verify

An `Air` is the statement, `Options` the security, `prove` makes a `Proof`, `verify` raises
`axon.errors.ProofRejected` or returns. docs/stark-tutorial.md goes from an idea to a verified
proof; docs/proof-system.md is the format and the argument.
"""

from axon.stark.air import Air, Expr, Public, PublicList
from axon.stark.logup import Bus, RangeTable, bind_list
from axon.stark.options import (
    COMPACT_100,
    COMPACT_128,
    OFFCHAIN_100,
    OFFCHAIN_128,
    ONCHAIN_100,
    ONCHAIN_128,
    Options,
    named,
)
from axon.stark.proof import Proof
from axon.stark.prover import commit_segment, prove
from axon.stark.size import expected_bytes
from axon.stark.verifier import layout, verify

__all__ = [
    "COMPACT_100",
    "COMPACT_128",
    "OFFCHAIN_100",
    "OFFCHAIN_128",
    "ONCHAIN_100",
    "ONCHAIN_128",
    "Air",
    "Bus",
    "Expr",
    "Options",
    "Proof",
    "Public",
    "PublicList",
    "RangeTable",
    "bind_list",
    "commit_segment",
    "expected_bytes",
    "layout",
    "named",
    "prove",
    "verify",
]
