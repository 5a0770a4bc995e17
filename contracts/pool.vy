# pragma version 0.4.3
# pragma evm-version prague
"""
@title Pool: stake for one torrent, paid to peers by proven shares
@license Apache-2.0
@notice Anybody stakes, joins, settles and claims; nobody holds a key over other people's money.
        For every token, at any time: deposited = paid out + reserved + carried + swept.
        *Carried* is stake that no settled epoch has handed out; *reserved* is owed to somebody.
@dev A clone (EIP-1167) of one implementation, whose trackers' registry is immutable; its terms are
     in its code (modules/terms.vy), so there is nothing to set up. A token or a distribution that
     misbehaves hurts only itself: calls to them get bounded gas, their answers bounded memory, and
     what cannot be paid is credited instead.

     Memory is what a settlement pays for when it is not careful: a page costs the more, the
     farther out it lies. So the proof is the last argument, and no array is behind it.
"""

from .interfaces import IDistribution
from .interfaces import IPool
from .interfaces import ITrackers
from .modules import merkle
from .modules import terms as rules

implements: IPool

interface IERC20:
    def balanceOf(account: address) -> uint256: view

MAX_TOKENS: constant(uint256) = rules.MAX_TOKENS
MAX_TRACKERS: constant(uint256) = rules.MAX_TRACKERS
MAX_CLAIMS: constant(uint256) = 32
MAX_WORDS: constant(uint256) = 1024  # of shares; keeps a settlement below 2^24 gas
SHARES_A_WORD: constant(uint256) = 5
MAX_MEMBERS: constant(uint256) = 5120  # MAX_WORDS * SHARES_A_WORD
# Bytes, of the 128 KiB that public mempools let a transaction have. Every named set of options for
# proofs on chain fits, and room that nobody uses costs 24 gas a word.
MAX_PROOF: constant(uint256) = 114688

SHARE_BITS: constant(uint256) = 48
WHOLE: constant(uint256) = 2**48  # all shares of an epoch together, at most
SHARE_MASK: constant(uint256) = 2**48 - 1
BASIS_POINTS: constant(uint256) = 10_000
MAX_DEPOSIT: constant(uint256) = 2**128 - 1  # of one token: no product below can overflow
MAX_ROWS: constant(uint256) = 24  # of an epoch: at 8 tokens, 4 words of budgets that hold no bits
ROW_BITS: constant(uint256) = 128  # of peers, in a row that holds a budget
AMOUNT: constant(uint256) = 2**128 - 1

TRANSFER_GAS: constant(uint256) = 250_000  # enough for rebasing and proxied tokens
BUDGET_GAS: constant(uint256) = 100_000
# EIP-150 forwards at most 63/64 of what is left: below these, a caller could starve the callee.
TRANSFER_GAS_LEFT: constant(uint256) = 275_000
BUDGET_GAS_LEFT: constant(uint256) = 125_000

# First word of what trackers sign, so that no other message of theirs can be taken for it.
ATTESTATION: constant(bytes32) = keccak256("axon/1/attestation")

TRACKERS: immutable(ITrackers)
IMPLEMENTATION: immutable(address)

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


# Row t, for every token t: its budget for 2^48 in the low half, and in the high half a bit for each
# of 128 peers, set while its share waits; then rows of 256 bits. With one token and no more than
# 128 peers a claim finds all of it in one slot. Settling pays for the rows, so claims need not.
struct Epoch:
    claims_root: bytes32  # zero: not settled
    rows: uint256[MAX_ROWS]


member_count: public(uint256)
_members: HashMap[uint256, uint256]  # index -> account | joined << 160 | (left + 1) << 192
_index_after: HashMap[address, uint256]  # account -> index + 1, while it is a member
_epochs: HashMap[uint256, Epoch]
_books: uint256[MAX_TOKENS]  # carried | reserved << 128, by token's number; no more than 2^128 together
_credit: HashMap[address, HashMap[uint256, uint256]]  # account -> token's number -> amount


@deploy
def __init__(trackers: address):
    """
    @notice Deploy the implementation, which is no pool itself.
    @param trackers The registry that all clones use.
    """
    assert trackers.is_contract, "pool: trackers have no code"
    TRACKERS = ITrackers(trackers)
    IMPLEMENTATION = self


@external
@nonreentrant
def stake(token: address, amount: uint256):
    """
    @notice Add to what the pool pays; `amount` must be approved. What arrives is credited.
    """
    plan: rules.Plan = self._plan()
    assert block.timestamp < self._end(plan), "pool: over"
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
    book: uint256 = self._books[number]
    assert received <= MAX_DEPOSIT - (book & AMOUNT) - (book >> 128), "pool: stake too large"
    self._books[number] = book + received
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
    plan: rules.Plan = self._plan()
    assert block.timestamp < self._end(plan), "pool: over"
    assert node_key != empty(bytes32), "pool: no node key"
    assert len(binding) == 64, "pool: binding is not 64 bytes"
    assert self._index_after[msg.sender] == 0, "pool: already joined"
    index: uint256 = self.member_count
    assert index < MAX_MEMBERS, "pool: full"
    self.member_count = index + 1
    self._members[index] = convert(msg.sender, uint256) | (self._epoch(plan) << 160)
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
    self._members[after - 1] |= (self._epoch(self._plan()) + 1) << 192
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
    plan: rules.Plan = self._plan()
    assert epoch < plan.epochs, "pool: no such epoch"
    assert block.timestamp >= plan.start + (epoch + 1) * plan.epoch_length, "pool: epoch not over"
    assert block.timestamp < self._end(plan) + plan.claim_window, "pool: closed"
    assert self._epochs[epoch].claims_root == empty(bytes32), "pool: already settled"
    members: uint256 = self._members_of(epoch, len(shares))
    self._check_attestation(plan, epoch, receipts_root, attestation)

    # One pass over the words: their sum, which no word may carry into another, and the tree of
    # claims, of which `row` keeps what waits for a right neighbour, a node a level.
    row: bytes32[merkle.ROW] = empty(bytes32[merkle.ROW])
    paid: uint256 = 0
    count: uint256 = 0
    for word: uint256 in shares:
        node: bytes32 = merkle._leaf(word, paid)
        level: uint256 = 0
        place: uint256 = count
        for k: uint256 in range(merkle.MAX_DEPTH):
            if place & 1 == 0:
                break
            node = merkle._node(row[level], node)
            place >>= 1
            level += 1
        row[level] = node
        count += 1
        assert word & 65535 == 0, "pool: low bits of shares set"
        paid += (
            (word >> 208)
            + ((word >> 160) & SHARE_MASK)
            + ((word >> 112) & SHARE_MASK)
            + ((word >> 64) & SHARE_MASK)
            + ((word >> 16) & SHARE_MASK)
        )
    unused: uint256 = SHARES_A_WORD * count - members
    assert shares[count - 1] & ((1 << (16 + SHARE_BITS * unused)) - 1) == 0, "pool: shares past the last peer"
    assert paid <= WHOLE, "pool: shares above the whole"

    claims_root: bytes32 = merkle._close(row, count)
    self._epochs[epoch].claims_root = claims_root
    log Settled(
        epoch=epoch,
        submitter=msg.sender,
        receipts_root=receipts_root,
        claims_root=claims_root,
        members=members,
        paid=paid,
    )
    log Shares(epoch=epoch, words=shares)
    self._open_claims(plan, epoch, members, paid)

    # Last, for behind these bytes there is no cheap memory; and by `raw_call`, since a typed call
    # hands over as many bytes as the types admit. A verifier that refuses reverts: the factory
    # has seen it do so.
    statement: uint256[10] = [
        chain.id,
        convert(self, uint256),
        epoch,
        convert(msg.sender, uint256),
        convert(receipts_root, uint256),
        members,
        plan.c,
        plan.c_e,
        totals.trust,
        totals.pretrust,
    ]
    assert plan.verifier.is_contract, "pool: verifier has no code"
    raw_call(
        plan.verifier,
        abi_encode(
            statement, shares, proof, method_id=method_id("verify(uint256[10],uint256[],bytes)")
        ),
        is_static_call=True,
    )


@external
@nonreentrant
def claim(index: uint256, claims: DynArray[Claim, MAX_CLAIMS]):
    """
    @notice Pay the account of `index` its shares of some epochs, in all tokens. Anybody may send
            it. A token that cannot be sent is credited instead: see `collect`.
    @param index As given by `join`.
    @param claims One an epoch, with the path from its word of shares to the epoch's root.
    """
    tokens: uint256 = self._tokens()
    account: address = self._account(index)
    amounts: uint256[MAX_TOKENS] = empty(uint256[MAX_TOKENS])
    for c: Claim in claims:
        share: uint256 = 0
        before: uint256 = 0
        share, before = self._open(index, tokens, c)
        for t: uint256 in range(tokens, bound=MAX_TOKENS):
            budget: uint256 = self._epochs[c.epoch].rows[t] & AMOUNT
            # Differences of rounded running sums add up to the rounded whole: no dust is left.
            amounts[t] += (budget * (before + share) >> SHARE_BITS) - (budget * before >> SHARE_BITS)
        log Claimed(account=account, epoch=c.epoch, index=index, share=share)
    for t: uint256 in range(tokens, bound=MAX_TOKENS):
        if amounts[t] > 0:
            self._pay(rules._token(self, t), account, t, amounts[t])


@external
@nonreentrant
def collect(account: address):
    """
    @notice Pay `account` what is credited to it: aggregators' fees, and claims whose token could
            not be sent. Anybody may send it.
    """
    for t: uint256 in range(self._tokens(), bound=MAX_TOKENS):
        amount: uint256 = self._credit[account][t]
        if amount > 0:
            self._credit[account][t] = 0
            self._pay(rules._token(self, t), account, t, amount)


@external
@nonreentrant
def sweep(token: address):
    """
    @notice Return to the publisher what nobody is owed, when no epoch can be settled any more.
            Anybody may send it.
    """
    plan: rules.Plan = self._plan()
    assert block.timestamp >= self._end(plan) + plan.claim_window, "pool: not over yet"
    number: uint256 = self._number(token)
    book: uint256 = self._books[number]
    balance: uint256 = staticcall IERC20(token).balanceOf(self)
    reserved: uint256 = book >> 128
    assert balance > reserved, "pool: nothing to sweep"
    amount: uint256 = balance - reserved
    self._books[number] = reserved << 128
    assert self._send(token, plan.publisher, amount), "pool: transfer failed"
    log Swept(token=token, carried=book & AMOUNT, amount=amount)


@external
@view
def terms() -> IPool.Terms:
    """
    @notice All terms of the pool.
    """
    assert self != IMPLEMENTATION, "pool: not a pool"
    return rules._all(self)


@external
@view
def publisher() -> address:
    """
    @notice Who gets what nobody is owed when all is over.
    """
    return self._plan().publisher


@external
@view
def rules_hash() -> bytes32:
    """
    @notice The hash of the ABI-encoded terms, which attestations name.
    """
    return self._plan().rules_hash


@external
@view
def epochs() -> uint256:
    """
    @notice The number of epochs.
    """
    return self._plan().epochs


@external
@view
def parameter(token: address) -> uint256:
    """
    @notice What the publisher set for `token` and the distribution.
    """
    return rules._parameter(self, self._number(token))


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
    return self._epoch(self._plan())


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
    return self._digest(self._plan().rules_hash, epoch, receipts_root)


@external
@view
def claims_root(epoch: uint256) -> bytes32:
    """
    @notice The root above the shares of a settled epoch; zero before.
    """
    return self._epochs[epoch].claims_root


@external
@view
def is_unclaimed(epoch: uint256, index: uint256) -> bool:
    """
    @notice Tell whether the share of `index` in a settled epoch waits to be claimed.
    """
    if index >= MAX_MEMBERS:
        return False
    row: uint256 = 0
    bit: uint256 = 0
    row, bit = self._place(index, self._tokens())
    return (self._epochs[epoch].rows[row] >> bit) & 1 == 1


@external
@view
def budget(epoch: uint256, token: address) -> uint256:
    """
    @notice What the peers of a settled epoch would get if their shares added up to the whole.
    """
    return self._epochs[epoch].rows[self._number(token)] & AMOUNT


@external
@view
def carried(token: address) -> uint256:
    """
    @notice Stake that no settled epoch has handed out.
    """
    return self._books[self._number(token)] & AMOUNT


@external
@view
def reserved(token: address) -> uint256:
    """
    @notice What is owed: unclaimed shares and credit.
    """
    return self._books[self._number(token)] >> 128


@external
@view
def credit(account: address, token: address) -> uint256:
    """
    @notice What `collect` would pay.
    """
    return self._credit[account][self._number(token)]


@internal
@view
def _plan() -> rules.Plan:
    assert self != IMPLEMENTATION, "pool: not a pool"
    return rules._plan(self)


@internal
@view
def _tokens() -> uint256:
    assert self != IMPLEMENTATION, "pool: not a pool"
    return rules._token_count(self)


@internal
@view
def _check_attestation(
    plan: rules.Plan, epoch: uint256, receipts_root: bytes32, attestation: Attestation
):
    trackers: uint256 = rules._tracker_count(plan)
    assert attestation.signers >> trackers == 0, "pool: signer out of range"
    signers: DynArray[uint256, MAX_TRACKERS] = []
    for k: uint256 in range(trackers, bound=MAX_TRACKERS):
        if (attestation.signers >> k) & 1 == 1:
            signers.append(rules._tracker(self, plan, k))
    assert len(signers) >= plan.quorum, "pool: below quorum"
    assert staticcall TRACKERS.verify(
        self._digest(plan.rules_hash, epoch, receipts_root), signers, attestation.signature
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
    # Indices are given in order of time. Most often the last word ends with the last peer of all.
    if first < count and count <= first + SHARES_A_WORD and self._joined(count - 1) <= epoch:
        return count
    assert first < count and self._joined(first) <= epoch, "pool: too many shares"
    found: uint256 = first + 1
    for k: uint256 in range(SHARES_A_WORD):
        if found == count or self._joined(found) > epoch:
            return found
        found += 1
    raise "pool: too few shares"


@internal
def _open_claims(plan: rules.Plan, epoch: uint256, members: uint256, paid: uint256):
    """
    @notice Write an epoch's rows: the budget of each token, and a bit for every peer.
    """
    tokens: uint256 = self._tokens()
    waiting: uint256 = members  # whose bits are still to be written
    for k: uint256 in range(MAX_ROWS):
        row: uint256 = 0
        if k < tokens:
            bits: uint256 = min(ROW_BITS, waiting)
            row = (max_value(uint256) >> (256 - bits)) << 128 | self._reserve(plan, k, epoch, paid)
            waiting -= bits
        else:
            if waiting == 0:
                break
            bits: uint256 = min(256, waiting)
            row = max_value(uint256) >> (256 - bits)
            waiting -= bits
        if row != 0:
            self._epochs[epoch].rows[k] = row


@internal
def _reserve(plan: rules.Plan, number: uint256, epoch: uint256, paid: uint256) -> uint256:
    """
    @notice Set aside what the distribution gives to this epoch; what the shares leave over stays.
    @return The token's budget for 2^48.
    """
    book: uint256 = self._books[number]
    carried: uint256 = book & AMOUNT
    if carried == 0 or paid == 0:
        return 0
    token: address = rules._token(self, number)
    whole: uint256 = min(self._ask(plan.distribution, token, epoch, carried), carried)
    fee: uint256 = whole * plan.fee // BASIS_POINTS
    budget: uint256 = whole - fee
    # The fee follows the shares: an epoch that pays nobody pays no aggregator.
    fee = fee * paid >> SHARE_BITS
    reserved: uint256 = budget * paid >> SHARE_BITS
    if reserved + fee == 0:
        return 0
    self._books[number] = book - reserved - fee + ((reserved + fee) << 128)
    log Budgeted(epoch=epoch, token=token, reserved=reserved, fee=fee)
    if fee > 0:
        self._credit[msg.sender][number] += fee
        log Credited(account=msg.sender, token=token, amount=fee)
    return budget


@internal
@pure
def _place(index: uint256, tokens: uint256) -> (uint256, uint256):
    """
    @notice Where the bit of a peer is.
    @return The row, and the bit in it.
    """
    beside: uint256 = ROW_BITS * tokens
    if index < beside:
        return index // ROW_BITS, 128 + index % ROW_BITS
    return tokens + (index - beside) // 256, (index - beside) % 256


@internal
@view
def _ask(distribution: address, token: address, epoch: uint256, remaining: uint256) -> uint256:
    """
    @notice Ask the distribution; zero if it fails.
    """
    assert msg.gas >= BUDGET_GAS_LEFT, "pool: not enough gas"
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        distribution,
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
def _open(index: uint256, tokens: uint256, c: Claim) -> (uint256, uint256):
    """
    @notice Check one claim and mark it.
    @return The share, and the sum of the shares before it.
    """
    assert index < MAX_MEMBERS, "pool: nothing to claim"
    row: uint256 = 0
    bit: uint256 = 0
    row, bit = self._place(index, tokens)
    word: uint256 = self._epochs[c.epoch].rows[row]
    assert (word >> bit) & 1 == 1, "pool: nothing to claim"
    self._epochs[c.epoch].rows[row] = word ^ (1 << bit)
    root: bytes32 = merkle._climb(merkle._leaf(c.word, c.before), index // SHARES_A_WORD, c.path)
    assert root == self._epochs[c.epoch].claims_root, "pool: not among the shares"
    before: uint256 = c.before
    place: uint256 = 208
    for k: uint256 in range(index % SHARES_A_WORD, bound=SHARES_A_WORD):
        before += (c.word >> place) & SHARE_MASK
        place -= SHARE_BITS
    return (c.word >> place) & SHARE_MASK, before


@internal
def _pay(token: address, account: address, number: uint256, amount: uint256):
    """
    @notice Send a reserved amount; if that fails, credit it.
    """
    assert msg.gas >= TRANSFER_GAS_LEFT, "pool: not enough gas"
    book: uint256 = self._books[number]
    assert book >> 128 >= amount, "pool: more than reserved"
    self._books[number] = book - (amount << 128)
    if not self._send(token, account, amount):
        self._books[number] = book
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
def _digest(rules_hash: bytes32, epoch: uint256, receipts_root: bytes32) -> bytes32:
    return keccak256(abi_encode(ATTESTATION, chain.id, self, epoch, receipts_root, rules_hash))


@internal
@view
def _number(token: address) -> uint256:
    for t: uint256 in range(self._tokens(), bound=MAX_TOKENS):
        if rules._token(self, t) == token:
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
@pure
def _end(plan: rules.Plan) -> uint256:
    return plan.start + plan.epochs * plan.epoch_length


@internal
@view
def _epoch(plan: rules.Plan) -> uint256:
    if block.timestamp < plan.start:
        return 0
    return min((block.timestamp - plan.start) // plan.epoch_length, plan.epochs)
