# pragma version 0.4.3
"""
@title A verifier that accepts what it was told to: for tests of the pool
@license Apache-2.0
@notice A proof is the keccak of statement and shares, so that tests notice any word that changes.
"""

from ..interfaces import IStarkVerifier

implements: IStarkVerifier


@external
@view
def verify(statement: uint256[10], shares: DynArray[uint256, 1024], proof: Bytes[131072]) -> bool:
    assert len(proof) >= 32, "verifier: proof refused"
    said: bytes32 = convert(slice(proof, 0, 32), bytes32)
    assert said == keccak256(abi_encode(statement, shares)), "verifier: proof refused"
    return True
