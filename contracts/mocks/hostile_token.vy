# pragma version 0.4.3
"""
@title A token whose behaviour tests choose: fees, silence, lies, reverts, re-entry, rebasing
@license Apache-2.0
"""

HONEST: constant(uint256) = 0
SILENT: constant(uint256) = 1  # returns nothing, like USDT
REFUSE: constant(uint256) = 2  # returns false and moves nothing
REVERT: constant(uint256) = 3
FEE: constant(uint256) = 4  # keeps a tenth of what it moves
BURN: constant(uint256) = 5  # loops until the gas is gone
REENTER: constant(uint256) = 6  # calls back with `payload`, then moves
GARBAGE: constant(uint256) = 7  # answers 2
LIE: constant(uint256) = 8  # returns true and moves nothing
BARE: constant(uint256) = 9  # reverts without a word

mode: public(uint256)
target: public(address)
payload: public(Bytes[4096])
reentry_succeeded: public(bool)
allowance: public(HashMap[address, HashMap[address, uint256]])
_shares: HashMap[address, uint256]
_numerator: uint256
_denominator: uint256


@deploy
def __init__():
    self._numerator = 1
    self._denominator = 1


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
def set_reentry(target: address, payload: Bytes[4096]):
    self.target = target
    self.payload = payload


@external
def rebase(numerator: uint256, denominator: uint256):
    self._numerator = numerator
    self._denominator = denominator


@external
def mint(receiver: address, amount: uint256):
    self._shares[receiver] += amount


@external
@view
def balanceOf(account: address) -> uint256:
    return self._shares[account] * self._numerator // self._denominator


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
@raw_return
def transfer(receiver: address, amount: uint256) -> Bytes[32]:
    return self._act(msg.sender, receiver, amount)


@external
@raw_return
def transferFrom(sender: address, receiver: address, amount: uint256) -> Bytes[32]:
    assert self.allowance[sender][msg.sender] >= amount, "token: allowance"
    self.allowance[sender][msg.sender] -= amount
    return self._act(sender, receiver, amount)


@internal
def _act(sender: address, receiver: address, amount: uint256) -> Bytes[32]:
    yes: Bytes[32] = abi_encode(True)
    if self.mode == REVERT:
        raise "token: no"
    if self.mode == BARE:
        raw_revert(b"")
    if self.mode == REFUSE:
        return abi_encode(False)
    if self.mode == LIE:
        return yes
    if self.mode == GARBAGE:
        return abi_encode(convert(2, uint256))
    if self.mode == BURN:
        x: uint256 = 1
        for i: uint256 in range(100000000):
            x = unsafe_add(unsafe_mul(x, 3), i)
        self._numerator = x
    if self.mode == REENTER:
        self.reentry_succeeded = raw_call(
            self.target, self.payload, max_outsize=0, revert_on_failure=False
        )
    self._move(sender, receiver, amount)
    if self.mode == SILENT:
        return b""
    return yes


@internal
def _move(sender: address, receiver: address, amount: uint256):
    units: uint256 = amount * self._denominator // self._numerator
    assert self._shares[sender] >= units, "token: balance"
    self._shares[sender] -= units
    if self.mode == FEE:
        units -= units // 10
    self._shares[receiver] += units
