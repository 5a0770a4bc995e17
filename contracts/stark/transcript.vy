# pragma version 0.4.3
"""
@title The Fiat-Shamir transcript
@license Apache-2.0
@notice Twin of `axon/stark/transcript.py`: a state of 32 bytes; absorbing and squeezing are each one
        keccak-256 over state, a byte that says what for, and the data.
"""

P: constant(uint256) = 2**64 - 2**32 + 1
M85: constant(uint256) = 2**85 - 1


@internal
@pure
def _absorb(state: bytes32, tag: bytes1, data: Bytes[2048]) -> bytes32:
    return keccak256(concat(state, tag, data))


@internal
@pure
def _squeeze(state: bytes32, tag: bytes1) -> bytes32:
    return keccak256(concat(state, tag))


@internal
@pure
def _element(state: bytes32) -> uint256:
    """
    @notice The extension element that a squeezed state stands for.
    """
    d: uint256 = convert(state, uint256)
    return (
        (((d >> 170) & M85) % P << 192) | (((d >> 85) & M85) % P << 128) | ((d & M85) % P << 64)
    )
