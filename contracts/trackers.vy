# pragma version 0.4.3
# pragma evm-version prague
"""
@title Trackers: a registry of BLS keys whose holders attest to receipts
@license Apache-2.0
@notice Anybody may register a key by showing that its secret is known. Registration gives no right
        but to be named in a pool's terms; nobody can change or remove a key.
@dev A key is kept as the code of a contract that does nothing: reading its 256 bytes costs one
     cold access instead of eight. The registry makes no other contracts, so the address of key
     `id` follows from its nonce, id + 1, and need not be kept.
"""

from .interfaces import ITrackers
from .modules import bls

implements: ITrackers

MAX_SIGNERS: constant(uint256) = 16

# Creation code that returns what follows its first ten bytes: STOP, so that a call does nothing,
# and the key.
_STORE: constant(Bytes[11]) = x"61010180600a3d393df300"

event TrackerRegistered:
    id: indexed(uint256)
    registrant: indexed(address)  # whoever sent it; of no further meaning
    key: Bytes[256]


registered: public(uint256)
_id_after: HashMap[bytes32, uint256]  # keccak of the key -> id + 1


@external
def register(key: Bytes[256], possession: Bytes[128]) -> uint256:
    """
    @notice Register a key and get its id.
    @param key Point of G2, uncompressed (EIP-2537).
    @param possession Signature over `key` under the domain of proofs of possession, so that no key
           can be made from others' keys (rogue-key attack).
    @return The id, counted from 0.
    """
    assert len(key) == bls.KEY_SIZE, "trackers: key is not 256 bytes"
    assert len(possession) == bls.SIGNATURE_SIZE, "trackers: proof is not 128 bytes"
    digest: bytes32 = keccak256(key)
    assert self._id_after[digest] == 0, "trackers: already registered"
    hashed: Bytes[128] = bls._hash_to_g1(key, bls.POSSESSION_DOMAIN)
    assert bls._verify(key, hashed, possession), "trackers: possession not proved"

    id: uint256 = self.registered
    assert raw_create(concat(_STORE, key)) == self._place(id), "trackers: key out of place"
    self._id_after[digest] = id + 1
    self.registered = id + 1
    log TrackerRegistered(id=id, registrant=msg.sender, key=key)
    return id


@external
@view
def key_of(id: uint256) -> Bytes[256]:
    """
    @notice The key of tracker `id`.
    """
    assert id < self.registered, "trackers: unknown id"
    return self._key(id)


@external
@view
def id_of(key: Bytes[256]) -> uint256:
    """
    @notice The id of a registered key.
    """
    after: uint256 = self._id_after[keccak256(key)]
    assert after != 0, "trackers: unknown key"
    return after - 1


@external
@view
def verify(message: bytes32, signers: DynArray[uint256, MAX_SIGNERS], signature: Bytes[128]) -> bool:
    """
    @notice Tell whether all of `signers` signed `message`.
    @param signers Strictly ascending ids: nobody counts twice.
    @param signature The sum of their signatures.
    """
    if len(signers) == 0:
        return False
    total: Bytes[256] = b""
    last: uint256 = 0
    count: uint256 = self.registered
    for id: uint256 in signers:
        assert id < count, "trackers: unknown id"
        if len(total) == 0:
            total = self._key(id)
        else:
            assert id > last, "trackers: ids not ascending"
            total = bls._add_keys(total, self._key(id))
        last = id
    # Keys that cancel out sum to infinity; the module refuses it.
    return bls._verify(total, bls._hash_to_g1(self._bytes(message), bls.SIGNATURE_DOMAIN), signature)


@internal
@view
def _key(id: uint256) -> Bytes[256]:
    return slice(self._place(id).code, 1, 256)


@internal
@view
def _place(id: uint256) -> address:
    """
    @notice The address that CREATE gives at nonce id + 1: keccak of the RLP of (creator, nonce).
    """
    nonce: uint256 = id + 1
    bytes_: uint256 = 0  # of the nonce, behind a byte that counts them; below 128 it stands alone
    if nonce >= 128:
        for k: uint256 in range(1, 33):
            bytes_ = k
            if nonce >> (8 * k) == 0:
                break
    rlp: uint256 = ((214 + bytes_) << 8 | 148) << 160 | convert(self, uint256)
    size: uint256 = 23
    if bytes_ > 0:
        rlp = (rlp << 8 | (128 + bytes_)) << (8 * bytes_)
        size += bytes_
    else:
        rlp <<= 8
    rlp |= nonce
    digest: bytes32 = keccak256(slice(convert(rlp << (256 - 8 * size), bytes32), 0, size))
    return convert(convert(digest, uint256) & (2**160 - 1), address)


@internal
@pure
def _bytes(word: bytes32) -> Bytes[256]:
    return concat(word, b"")
