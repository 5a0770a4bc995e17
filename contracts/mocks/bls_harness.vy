# pragma version 0.4.3
# pragma evm-version prague
"""
@title The BLS module, callable: for tests
@license Apache-2.0
"""

from ..modules import bls


@external
@view
def hash_to_g1(message: Bytes[256], possession: bool) -> Bytes[128]:
    if possession:
        return bls._hash_to_g1(message, bls.POSSESSION_DOMAIN)
    return bls._hash_to_g1(message, bls.SIGNATURE_DOMAIN)


@external
@view
def verify(key: Bytes[256], message: Bytes[256], signature: Bytes[128]) -> bool:
    return bls._verify(key, bls._hash_to_g1(message, bls.SIGNATURE_DOMAIN), signature)
