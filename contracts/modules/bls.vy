# pragma version 0.4.3
"""
@title BLS12-381 signatures, public key in G2 and signature in G1
@license Apache-2.0
@notice draft-irtf-cfrg-bls-signature-05 with the precompiles of EIP-2537. Points are uncompressed:
        every coordinate 64 bytes big-endian, Fp2 as c0 then c1. Its twin is `axon/bls.py`.
@dev The pairing precompile refuses points that are off the curve, outside the subgroup or not
     canonical, but takes infinity for a point like any other: callers must refuse it.
"""

KEY_SIZE: constant(uint256) = 256  # bytes, a point of G2
SIGNATURE_SIZE: constant(uint256) = 128  # bytes, a point of G1

# Domain separation tags with their length byte appended (RFC 9380, section 5.3.1).
SIGNATURE_DOMAIN: constant(Bytes[44]) = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_+"
POSSESSION_DOMAIN: constant(Bytes[44]) = b"BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_+"

_MODEXP: constant(address) = 0x0000000000000000000000000000000000000005
_G1ADD: constant(address) = 0x000000000000000000000000000000000000000b
_G2ADD: constant(address) = 0x000000000000000000000000000000000000000d
_PAIRING: constant(address) = 0x000000000000000000000000000000000000000F
_MAP_TO_G1: constant(address) = 0x0000000000000000000000000000000000000010

# The modulus of the base field, as modexp takes it: 64 bytes big-endian.
_MODULUS: constant(
    Bytes[64]
) = x"000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
_MINUS_G2: constant(
    Bytes[256]
) = x"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb80000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bcb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed"


@internal
@view
def _hash_to_g1(message: Bytes[256], domain: Bytes[44]) -> Bytes[128]:
    """
    @notice Hash to the curve: BLS12381G1_XMD:SHA-256_SSWU_RO_ (RFC 9380, section 8.8.1).
    @param domain The tag and its length byte.
    """
    # expand_message_xmd to 128 bytes: one block of padding, the message, the length 0x0080, zero.
    seed: bytes32 = sha256(concat(empty(bytes32), empty(bytes32), message, x"008000", domain))
    b1: bytes32 = sha256(concat(seed, x"01", domain))
    b2: bytes32 = sha256(concat(seed ^ b1, x"02", domain))
    b3: bytes32 = sha256(concat(seed ^ b2, x"03", domain))
    b4: bytes32 = sha256(concat(seed ^ b3, x"04", domain))
    return self._add_g1(self._map_to_g1(concat(b1, b2)), self._map_to_g1(concat(b3, b4)))


@internal
@view
def _map_to_g1(number: Bytes[64]) -> Bytes[128]:
    """
    @notice Reduce 512 bits modulo the field (modexp with exponent 1) and map them to G1.
    """
    element: Bytes[64] = raw_call(
        _MODEXP,
        concat(
            convert(64, bytes32), convert(1, bytes32), convert(64, bytes32), number, x"01", _MODULUS
        ),
        max_outsize=64,
        is_static_call=True,
    )
    return raw_call(_MAP_TO_G1, element, max_outsize=128, is_static_call=True)


@internal
@view
def _add_g1(left: Bytes[128], right: Bytes[128]) -> Bytes[128]:
    return raw_call(_G1ADD, concat(left, right), max_outsize=128, is_static_call=True)


@internal
@view
def _add_keys(left: Bytes[256], right: Bytes[256]) -> Bytes[256]:
    """
    @notice Add points of G2. The precompile does not check the subgroup: registration did.
    """
    return raw_call(_G2ADD, concat(left, right), max_outsize=256, is_static_call=True)


@internal
@view
def _verify(key: Bytes[256], hashed: Bytes[128], signature: Bytes[128]) -> bool:
    """
    @notice Tell whether e(hashed, key) = e(signature, G2), both points in the subgroup and neither
            of them infinity; whatever else is given is False, not a revert.
    """
    if len(key) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    # With both at infinity the equation holds for every message.
    if keccak256(key) == keccak256(abi_encode(empty(bytes32[8]))):
        return False
    if keccak256(signature) == keccak256(abi_encode(empty(bytes32[4]))):
        return False
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        _PAIRING,
        concat(hashed, key, signature, _MINUS_G2),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, uint256) == 1
