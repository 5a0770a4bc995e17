# pragma version 0.4.3
# pragma evm-version prague
"""
@title Pool: stake for one torrent, paid to peers by proven shares
@license Apache-2.0
@notice Anybody stakes, joins, settles and claims; nobody holds a key over other people's money.
        For every token, at any time: deposited = paid out + reserved + carried + swept.
        *Carried* is stake that no settled epoch has handed out; *reserved* is owed to somebody.
@dev A clone (EIP-1167) of one implementation, whose trackers' registry is immutable. A token or a
     distribution that misbehaves hurts only itself: calls to them get bounded gas, their answers
     bounded memory, and what cannot be paid is credited instead.
"""

from .interfaces import IDistribution
from .interfaces import IPool
from .interfaces import IStarkVerifier
from .interfaces import ITrackers
from .modules import merkle

implements: IPool

interface IERC20:
    def balanceOf(account: address) -> uint256: view

MAX_TOKENS: constant(uint256) = 8
MAX_TRACKERS: constant(uint256) = 16
MAX_CLAIMS: constant(uint256) = 32
MAX_WORDS: constant(uint256) = 1024  # of shares; keeps a settlement below 2^24 gas
SHARES_A_WORD: constant(uint256) = 5
MAX_MEMBERS: constant(uint256) = 5120  # MAX_WORDS * SHARES_A_WORD
MAX_PROOF: constant(uint256) = 131072  # bytes; public mempools refuse more in a transaction

SHARE_BITS: constant(uint256) = 48
WHOLE: constant(uint256) = 2**48  # all shares of an epoch together, at most
SHARE_MASK: constant(uint256) = 2**48 - 1
BASIS_POINTS: constant(uint256) = 10_000
MAX_FEE: constant(uint256) = 5_000  # basis points
MAX_DEPOSIT: constant(uint256) = 2**128 - 1  # of one token: no product below can overflow
MAX_PERIOD: constant(uint256) = 10 * 366 * 86400  # seconds, of any one term
MAX_EPOCHS: constant(uint256) = 2**24

TRANSFER_GAS: constant(uint256) = 250_000  # enough for rebasing and proxied tokens
BUDGET_GAS: constant(uint256) = 100_000
# EIP-150 forwards at most 63/64 of what is left: below these, a caller could starve the callee.
TRANSFER_GAS_LEFT: constant(uint256) = 275_000
BUDGET_GAS_LEFT: constant(uint256) = 125_000

# First word of what trackers sign, so that no other message of theirs can be taken for it.
ATTESTATION: constant(bytes32) = keccak256("axon/1/attestation")

TRACKERS: immutable(ITrackers)

struct Attestation:
    signers: uint256  # bit k: the k-th tracker of the terms signed
    signature: Bytes[128]  # the sum of their signatures, a point of G1 (EIP-2537)


struct Totals:
    trust: uint256  # sum of r over all peers of the epoch, units of 2^-36
    pretrust: uint256  # sum of p


struct Claim:
    epoch: uint256
    word: uint256  # five shares, as settled
    before: uint256  # sum of all shares in earlier words
    path: DynArray[bytes32, merkle.MAX_DEPTH]


event Staked:
    token: indexed(address)
    sender: indexed(address)
    amount: uint256  # as received


event Joined:
    index: indexed(uint256)
    account: indexed(address)
    node_key: indexed(bytes32)
    binding: Bytes[64]


event Left:
    index: indexed(uint256)
    account: indexed(address)


event Settled:
    epoch: indexed(uint256)
    submitter: indexed(address)
    receipts_root: bytes32
    claims_root: bytes32
    members: uint256
    paid: uint256  # sum of the shares, units of 2^-48


event Shares:
    epoch: indexed(uint256)
    words: DynArray[uint256, MAX_WORDS]


event Budgeted:
    epoch: indexed(uint256)
    token: indexed(address)
    reserved: uint256  # for the peers, of what the distribution gave
    fee: uint256  # for the submitter


event Claimed:
    account: indexed(address)
    epoch: indexed(uint256)
    index: uint256
    share: uint256  # what it paid are the tokens' own Transfer events


event Credited:
    account: indexed(address)
    token: indexed(address)
    amount: uint256  # owed: `collect` pays it


event Swept:
    token: indexed(address)
    carried: uint256  # by the pool's books
    amount: uint256  # sent: more if tokens arrived without `stake`, less if they shrank


publisher: public(address)
rules_hash: public(bytes32)
member_count: public(uint256)
_terms: IPool.Terms
_members: HashMap[uint256, uint256]  # index -> account | joined << 160 | (left + 1) << 192
_index_after: HashMap[address, uint256]  # account -> index + 1, while it is a member
claims_root: public(HashMap[uint256, bytes32])  # by epoch; zero: not settled
# One bit an index, set while its share waits. Settling pays for the words, so a claim need not.
_unclaimed: HashMap[uint256, HashMap[uint256, uint256]]
_budgets: HashMap[uint256, HashMap[uint256, uint256]]  # epoch -> token's number -> amount for 2^48
_carried: uint256[MAX_TOKENS]
_reserved: uint256[MAX_TOKENS]
_credit: HashMap[address, HashMap[uint256, uint256]]  # account -> token's number -> amount


@deploy
def __init__(trackers: address):
    """
    @notice Deploy the implementation; it can never be a pool itself.
    @param trackers The registry that all clones use.
    """
    assert trackers.is_contract, "pool: trackers have no code"
    TRACKERS = ITrackers(trackers)
    self.publisher = self


@external
def initialize(publisher: address, terms: IPool.Terms):
    """
    @notice Set a fresh clone up; the factory does so in the transaction that makes it.
    @param publisher Gets what nobody is owed when all is over.
    @param terms Fixed for good.
    """
    assert self.publisher == empty(address), "pool: already initialized"
    assert publisher != empty(address), "pool: no publisher"
    assert terms.info_hash != empty(bytes20), "pool: no info-hash"
    assert terms.epoch_length > 0 and terms.epoch_length <= MAX_PERIOD, "pool: bad epoch length"
    assert terms.epochs > 0 and terms.epochs <= MAX_EPOCHS, "pool: bad number of epochs"
    assert terms.start + MAX_PERIOD >= block.timestamp, "pool: start long past"
    assert terms.start <= block.timestamp + MAX_PERIOD, "pool: start too far off"
    # Whoever earned in the last epoch must have as long as any other to see it settled.
    assert terms.claim_window >= terms.epoch_length, "pool: claim window below an epoch"
    assert terms.claim_window <= MAX_PERIOD, "pool: claim window too long"
    assert terms.c >= 1 and terms.c <= 3 * 2**36, "pool: c out of range"
    assert terms.c_e >= 1 and terms.c_e <= 2**36, "pool: c_e out of range"
    assert terms.lambda_ <= 2**16, "pool: lambda out of range"
    assert terms.fee <= MAX_FEE, "pool: fee too high"
    assert terms.distribution.is_contract, "pool: distribution has no code"
    assert terms.verifier.is_contract, "pool: verifier has no code"
    self._check_trackers(terms.trackers, terms.quorum)
    self._check_tokens(terms.tokens)
    for w: IPool.Weight in terms.weights:
        assert w.node_key != empty(bytes32), "pool: weight without a key"
        assert w.weight < 2**64, "pool: weight too large"

    self.publisher = publisher
    self.rules_hash = keccak256(abi_encode(terms))
    self._terms = terms


@external
@nonreentrant
def stake(token: address, amount: uint256):
    """
    @notice Add to what the pool pays; `amount` must be approved. What arrives is credited.
    """
    assert block.timestamp < self._end(), "pool: over"
    number: uint256 = self._number(token)
    before: uint256 = staticcall IERC20(token).balanceOf(self)
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(msg.sender, self, amount, method_id=method_id("transferFrom(address,address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    assert success and self._agrees(answer), "pool: transfer failed"
    after: uint256 = staticcall IERC20(token).balanceOf(self)
    assert after > before, "pool: nothing received"
    received: uint256 = after - before
    carried: uint256 = self._carried[number]
    reserved: uint256 = self._reserved[number]
    assert received <= MAX_DEPOSIT - carried - reserved, "pool: stake too large"
    self._carried[number] = carried + received
    log Staked(token=token, sender=msg.sender, amount=received)


@external
@nonreentrant
def join(node_key: bytes32, binding: Bytes[64]) -> uint256:
    """
    @notice Be paid for what a node uploads, from the current epoch on.
    @param node_key Its Ed25519 key.
    @param binding Its signature over "axon/1/bind", chain id, pool and account. Not checked here
           (the EVM has no Ed25519): trackers ignore a wrong one, so it earns nothing.
    @return Where this account's share stands in every list of shares.
    """
    assert block.timestamp < self._end(), "pool: over"
    assert node_key != empty(bytes32), "pool: no node key"
    assert len(binding) == 64, "pool: binding is not 64 bytes"
    assert self._index_after[msg.sender] == 0, "pool: already joined"
    index: uint256 = self.member_count
    assert index < MAX_MEMBERS, "pool: full"
    self.member_count = index + 1
    self._members[index] = convert(msg.sender, uint256) | (self._current_epoch() << 160)
    self._index_after[msg.sender] = index + 1
    log Joined(index=index, account=msg.sender, node_key=node_key, binding=binding)
    return index


@external
@nonreentrant
def leave():
    """
    @notice Stop earning after the current epoch. What was earned stays claimable; the account may
            join again, with another key, under a new index.
    """
    after: uint256 = self._index_after[msg.sender]
    assert after != 0, "pool: not a member"
    self._index_after[msg.sender] = 0
    self._members[after - 1] |= (self._current_epoch() + 1) << 192
    log Left(index=after - 1, account=msg.sender)


@external
@nonreentrant
def settle(
    epoch: uint256,
    receipts_root: bytes32,
    attestation: Attestation,
    totals: Totals,
    shares: DynArray[uint256, MAX_WORDS],
    proof: Bytes[MAX_PROOF],
):
    """
    @notice Turn an epoch's receipts into claims. Anybody may, in any order of epochs; the proof
            names its sender, so copying the transaction gains nothing.
    @param epoch An epoch that is over and not settled.
    @param receipts_root Commitment to the receipts, which a quorum of trackers attests to.
    @param totals Sums that the proof speaks of.
    @param shares One for each peer that joined before the epoch's end, in units of 2^-48: five of
           48 bits to a word, the first in the high bits, the low 16 bits zero.
    @param proof That these are the shares of those receipts.
    """
    end: uint256 = self._end()
    assert epoch < self._terms.epochs, "pool: no such epoch"
    assert (
        block.timestamp >= self._terms.start + (epoch + 1) * self._terms.epoch_length
    ), "pool: epoch not over"
    assert block.timestamp < end + self._terms.claim_window, "pool: closed"
    assert self.claims_root[epoch] == empty(bytes32), "pool: already settled"
    members: uint256 = self._members_of(epoch, len(shares))
    self._check_attestation(epoch, receipts_root, attestation)

    # One pass over the words: the leaves, and their sum, which no word may carry into another.
    leaves: DynArray[bytes32, merkle.MAX_LEAVES] = []
    paid: uint256 = 0
    for word: uint256 in shares:
        leaves.append(merkle._leaf(word, paid))
        assert word & 65535 == 0, "pool: low bits of shares set"
        paid += (
            (word >> 208)
            + ((word >> 160) & SHARE_MASK)
            + ((word >> 112) & SHARE_MASK)
            + ((word >> 64) & SHARE_MASK)
            + ((word >> 16) & SHARE_MASK)
        )
    unused: uint256 = SHARES_A_WORD * len(shares) - members
    assert shares[len(shares) - 1] & ((1 << (16 + SHARE_BITS * unused)) - 1) == 0, "pool: shares past the last peer"
    assert paid <= WHOLE, "pool: shares above the whole"

    statement: uint256[10] = [
        chain.id,
        convert(self, uint256),
        epoch,
        convert(msg.sender, uint256),
        convert(receipts_root, uint256),
        members,
        self._terms.c,
        self._terms.c_e,
        totals.trust,
        totals.pretrust,
    ]
    assert staticcall IStarkVerifier(self._terms.verifier).verify(statement, shares, proof), "pool: proof refused"

    claims_root: bytes32 = merkle._root(leaves)
    self.claims_root[epoch] = claims_root
    for k: uint256 in range((members + 255) // 256, bound=MAX_MEMBERS // 256):
        self._unclaimed[epoch][k] = max_value(uint256) >> (256 - min(256, members - 256 * k))
    log Settled(
        epoch=epoch,
        submitter=msg.sender,
        receipts_root=receipts_root,
        claims_root=claims_root,
        members=members,
        paid=paid,
    )
    log Shares(epoch=epoch, words=shares)
    self._reserve(epoch, paid)


@external
@nonreentrant
def claim(index: uint256, claims: DynArray[Claim, MAX_CLAIMS]):
    """
    @notice Pay the account of `index` its shares of some epochs, in all tokens. Anybody may send
            it. A token that cannot be sent is credited instead: see `collect`.
    @param index As given by `join`.
    @param claims One an epoch, with the path from its word of shares to the epoch's root.
    """
    account: address = self._account(index)
    tokens: uint256 = len(self._terms.tokens)
    amounts: uint256[MAX_TOKENS] = empty(uint256[MAX_TOKENS])
    for c: Claim in claims:
        share: uint256 = 0
        before: uint256 = 0
        share, before = self._open(index, c)
        for t: uint256 in range(tokens, bound=MAX_TOKENS):
            budget: uint256 = self._budgets[c.epoch][t]
            # Differences of rounded running sums add up to the rounded whole: no dust is left.
            amounts[t] += (budget * (before + share) >> SHARE_BITS) - (budget * before >> SHARE_BITS)
        log Claimed(account=account, epoch=c.epoch, index=index, share=share)
    for t: uint256 in range(tokens, bound=MAX_TOKENS):
        if amounts[t] > 0:
            self._pay(account, t, amounts[t])


@external
@nonreentrant
def collect(account: address):
    """
    @notice Pay `account` what is credited to it: aggregators' fees, and claims whose token could
            not be sent. Anybody may send it.
    """
    for t: uint256 in range(len(self._terms.tokens), bound=MAX_TOKENS):
        amount: uint256 = self._credit[account][t]
        if amount > 0:
            self._credit[account][t] = 0
            self._pay(account, t, amount)


@external
@nonreentrant
def sweep(token: address):
    """
    @notice Return to the publisher what nobody is owed, when no epoch can be settled any more.
            Anybody may send it.
    """
    assert block.timestamp >= self._end() + self._terms.claim_window, "pool: not over yet"
    number: uint256 = self._number(token)
    carried: uint256 = self._carried[number]
    balance: uint256 = staticcall IERC20(token).balanceOf(self)
    reserved: uint256 = self._reserved[number]
    assert balance > reserved, "pool: nothing to sweep"
    amount: uint256 = balance - reserved
    self._carried[number] = 0
    assert self._send(token, self.publisher, amount), "pool: transfer failed"
    log Swept(token=token, carried=carried, amount=amount)


@external
@view
def terms() -> IPool.Terms:
    """
    @notice All terms of the pool.
    """
    return self._terms


@external
@view
def epochs() -> uint256:
    """
    @notice The number of epochs.
    """
    return self._terms.epochs


@external
@view
def parameter(token: address) -> uint256:
    """
    @notice What the publisher set for `token` and the distribution.
    """
    return self._terms.tokens[self._number(token)].parameter


@external
@view
def trackers() -> address:
    """
    @notice The registry of trackers' keys.
    """
    return TRACKERS.address


@external
@view
def current_epoch() -> uint256:
    """
    @notice The epoch that is running; 0 before the start, the number of epochs after the end.
    """
    return self._current_epoch()


@external
@view
def member(index: uint256) -> (address, uint256, uint256):
    """
    @notice The account at `index`, the epoch in which it joined, and 1 + the epoch in which it
            left, or 0.
    """
    word: uint256 = self._members[index]
    return self._account(index), (word >> 160) & (2**32 - 1), word >> 192


@external
@view
def index_of(account: address) -> uint256:
    """
    @notice The index of a member.
    """
    after: uint256 = self._index_after[account]
    assert after != 0, "pool: not a member"
    return after - 1


@external
@view
def members_of(epoch: uint256) -> uint256:
    """
    @notice How many shares the settlement of `epoch` lists: of those who joined before its end.
    """
    low: uint256 = 0
    high: uint256 = self.member_count
    for i: uint256 in range(13):  # 2^13 > MAX_MEMBERS
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._joined(middle) <= epoch:
            low = middle + 1
        else:
            high = middle
    return low


@external
@view
def attestation_digest(epoch: uint256, receipts_root: bytes32) -> bytes32:
    """
    @notice What the trackers sign.
    """
    return self._digest(epoch, receipts_root)


@external
@view
def is_unclaimed(epoch: uint256, index: uint256) -> bool:
    """
    @notice Tell whether the share of `index` in a settled epoch waits to be claimed.
    """
    return (self._unclaimed[epoch][index >> 8] >> (index & 255)) & 1 == 1


@external
@view
def budget(epoch: uint256, token: address) -> uint256:
    """
    @notice What the peers of a settled epoch would get if their shares added up to the whole.
    """
    return self._budgets[epoch][self._number(token)]


@external
@view
def carried(token: address) -> uint256:
    """
    @notice Stake that no settled epoch has handed out.
    """
    return self._carried[self._number(token)]


@external
@view
def reserved(token: address) -> uint256:
    """
    @notice What is owed: unclaimed shares and credit.
    """
    return self._reserved[self._number(token)]


@external
@view
def credit(account: address, token: address) -> uint256:
    """
    @notice What `collect` would pay.
    """
    return self._credit[account][self._number(token)]


@internal
@view
def _check_trackers(trackers: DynArray[uint256, MAX_TRACKERS], quorum: uint256):
    assert quorum > 0 and quorum <= len(trackers), "pool: bad quorum"
    registered: uint256 = staticcall TRACKERS.registered()
    for k: uint256 in range(len(trackers), bound=MAX_TRACKERS):
        assert trackers[k] < registered, "pool: unknown tracker"
        if k > 0:
            assert trackers[k] > trackers[k - 1], "pool: trackers not ascending"


@internal
@view
def _check_tokens(tokens: DynArray[IPool.TokenTerms, MAX_TOKENS]):
    assert len(tokens) > 0, "pool: no tokens"
    for k: uint256 in range(len(tokens), bound=MAX_TOKENS):
        assert tokens[k].token.is_contract, "pool: token has no code"
        for j: uint256 in range(k, bound=MAX_TOKENS):
            assert tokens[k].token != tokens[j].token, "pool: duplicate token"


@internal
@view
def _check_attestation(epoch: uint256, receipts_root: bytes32, attestation: Attestation):
    trackers: DynArray[uint256, MAX_TRACKERS] = self._terms.trackers
    assert attestation.signers >> len(trackers) == 0, "pool: signer out of range"
    signers: DynArray[uint256, MAX_TRACKERS] = []
    for k: uint256 in range(len(trackers), bound=MAX_TRACKERS):
        if (attestation.signers >> k) & 1 == 1:
            signers.append(trackers[k])
    assert len(signers) >= self._terms.quorum, "pool: below quorum"
    assert staticcall TRACKERS.verify(
        self._digest(epoch, receipts_root), signers, attestation.signature
    ), "pool: attestation refused"


@internal
@view
def _members_of(epoch: uint256, words: uint256) -> uint256:
    """
    @notice Find the number of peers who joined before the end of `epoch` among those that fit
            `words` words.
    """
    assert words > 0, "pool: no shares"
    count: uint256 = self.member_count
    first: uint256 = SHARES_A_WORD * (words - 1)
    assert first < count and self._joined(first) <= epoch, "pool: too many shares"
    found: uint256 = first + 1
    for k: uint256 in range(SHARES_A_WORD):
        if found == count or self._joined(found) > epoch:
            return found
        found += 1
    raise "pool: too few shares"


@internal
def _reserve(epoch: uint256, paid: uint256):
    """
    @notice Set aside what the distribution gives to this epoch; what the shares leave over stays.
    """
    fee_rate: uint256 = self._terms.fee
    for t: uint256 in range(len(self._terms.tokens), bound=MAX_TOKENS):
        carried: uint256 = self._carried[t]
        if carried == 0 or paid == 0:
            continue
        token: address = self._terms.tokens[t].token
        whole: uint256 = min(self._ask(token, epoch, carried), carried)
        fee: uint256 = whole * fee_rate // BASIS_POINTS
        budget: uint256 = whole - fee
        # The fee follows the shares: an epoch that pays nobody pays no aggregator.
        fee = fee * paid >> SHARE_BITS
        reserved: uint256 = budget * paid >> SHARE_BITS
        if reserved + fee == 0:
            continue
        self._budgets[epoch][t] = budget
        self._carried[t] = carried - reserved - fee
        self._reserved[t] += reserved + fee
        log Budgeted(epoch=epoch, token=token, reserved=reserved, fee=fee)
        if fee > 0:
            self._credit[msg.sender][t] += fee
            log Credited(account=msg.sender, token=token, amount=fee)


@internal
@view
def _ask(token: address, epoch: uint256, remaining: uint256) -> uint256:
    """
    @notice Ask the distribution; zero if it fails.
    """
    assert msg.gas >= BUDGET_GAS_LEFT, "pool: not enough gas"
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        self._terms.distribution,
        abi_encode(
            self,
            token,
            epoch,
            remaining,
            method_id=method_id("budget(address,address,uint256,uint256)"),
        ),
        max_outsize=32,
        gas=BUDGET_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) != 32:
        return 0
    return convert(answer, uint256)


@internal
def _open(index: uint256, c: Claim) -> (uint256, uint256):
    """
    @notice Check one claim and mark it.
    @return The share, and the sum of the shares before it.
    """
    word: uint256 = self._unclaimed[c.epoch][index >> 8]
    assert (word >> (index & 255)) & 1 == 1, "pool: nothing to claim"
    self._unclaimed[c.epoch][index >> 8] = word ^ (1 << (index & 255))
    root: bytes32 = merkle._climb(merkle._leaf(c.word, c.before), index // SHARES_A_WORD, c.path)
    assert root == self.claims_root[c.epoch], "pool: not among the shares"
    before: uint256 = c.before
    place: uint256 = 208
    for k: uint256 in range(index % SHARES_A_WORD, bound=SHARES_A_WORD):
        before += (c.word >> place) & SHARE_MASK
        place -= SHARE_BITS
    return (c.word >> place) & SHARE_MASK, before


@internal
def _pay(account: address, number: uint256, amount: uint256):
    """
    @notice Send a reserved amount; if that fails, credit it.
    """
    assert msg.gas >= TRANSFER_GAS_LEFT, "pool: not enough gas"
    token: address = self._terms.tokens[number].token
    self._reserved[number] -= amount
    if not self._send(token, account, amount):
        self._reserved[number] += amount
        self._credit[account][number] += amount
        log Credited(account=account, token=token, amount=amount)


@internal
def _send(token: address, account: address, amount: uint256) -> bool:
    """
    @notice Transfer with bounded gas; never reverts.
    """
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(account, amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        gas=TRANSFER_GAS,
        revert_on_failure=False,
    )
    return success and self._agrees(answer)


@internal
@pure
def _agrees(answer: Bytes[32]) -> bool:
    """
    @notice True for `true` and for the silence of tokens that return nothing.
    """
    if len(answer) == 0:
        return True
    return len(answer) == 32 and convert(answer, uint256) == 1


@internal
@view
def _digest(epoch: uint256, receipts_root: bytes32) -> bytes32:
    return keccak256(
        abi_encode(ATTESTATION, chain.id, self, epoch, receipts_root, self.rules_hash)
    )


@internal
@view
def _number(token: address) -> uint256:
    for t: uint256 in range(len(self._terms.tokens), bound=MAX_TOKENS):
        if self._terms.tokens[t].token == token:
            return t
    raise "pool: no such token"


@internal
@view
def _account(index: uint256) -> address:
    return convert(self._members[index] & (2**160 - 1), address)


@internal
@view
def _joined(index: uint256) -> uint256:
    return (self._members[index] >> 160) & (2**32 - 1)


@internal
@view
def _end() -> uint256:
    return self._terms.start + self._terms.epochs * self._terms.epoch_length


@internal
@view
def _current_epoch() -> uint256:
    start: uint256 = self._terms.start
    if block.timestamp < start:
        return 0
    return min((block.timestamp - start) // self._terms.epoch_length, self._terms.epochs)
