"""Many actors, two tokens, one of them hostile: the books balance after every step.

For every token: deposited = paid + claimable + credited + carried + swept, each
figure from a model that never asks the pool; and the pool holds at least what
it owes, unless the hostile token itself lied about it.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from axon.chain.shares import ShareList
from axon.errors import ChainError
from tests.contracts.world import (
    BURN,
    EPOCH,
    GARBAGE,
    HONEST,
    REENTER,
    REFUSE,
    REVERT,
    SILENT,
    WHOLE,
    World,
    account,
)

ACTORS = [f"actor {k}" for k in range(7)]
MODES = [HONEST, SILENT, REFUSE, REVERT, BURN, REENTER, GARBAGE]
PAYS = {HONEST, SILENT, REENTER}
EPOCHS = 6
FEE = 300  # basis points

actors = st.sampled_from(ACTORS)


class PoolMachine(RuleBasedStateMachine):
    """The pool beside a dictionary model."""

    @initialize(fee=st.sampled_from([0, FEE]))
    def set_up(self, fee: int) -> None:
        self.world = World(
            tokens=("mocks/token", "mocks/hostile_token"), fee=fee, epochs=EPOCHS, claim_window=3 * EPOCH
        )
        self.fee = fee
        self.mode = HONEST
        self.deposited = [0, 0]
        self.paid = [0, 0]
        self.swept = [0, 0]
        self.carried = [0, 0]
        self.claimable: dict[tuple[int, int, int], int] = {}  # (token, epoch, index) -> amount
        self.credit: dict[tuple[int, str], int] = {}
        self.members: list[tuple[str, int]] = []  # index -> (actor, epoch joined)
        self.active: dict[str, int] = {}
        self.settled: dict[int, ShareList] = {}
        bad = self.world.tokens[1]
        call = self.world.pool.contract.calldata("collect", account(ACTORS[0]))
        bad.transact("set_reentry", self.world.pool.address, call)
        for actor in ACTORS[:3]:
            self.join(actor)
        for number in range(2):
            self.stake(ACTORS[0], number, 10**18 + 7)
        self.world.to_end_of(0)

    def over(self, windows: int = 0) -> bool:
        return self.world.chain.now() + 12 >= self.world.terms.end + windows * EPOCH

    def epoch(self) -> int:
        now = self.world.chain.now() + 12  # the next transaction's block
        return min(max(0, now - self.world.terms.start) // EPOCH, EPOCHS)

    @rule(actor=actors, number=st.integers(0, 1), amount=st.integers(1, 10**21))
    def stake(self, actor: str, number: int, amount: int) -> None:
        if number == 1 and self.mode == BURN:
            return  # burns its staker's own gas, all of it: slow, and nobody else's loss
        token = self.world.tokens[number]
        token.transact("mint", account(actor), amount)
        pool = self.world.as_(actor)
        token.using(pool.chain).transact("approve", pool.address, amount)
        fits = self.mode in PAYS or number == 0
        try:
            pool.contract.transact("stake", token.address, amount)
        except ChainError as error:
            assert self.over() or not fits, error
            return
        assert fits
        self.deposited[number] += amount
        self.carried[number] += amount

    @rule(actor=actors)
    def join(self, actor: str) -> None:
        over, epoch = self.over(), self.epoch()
        try:
            (index,) = self.world.join(actor)
        except ChainError as error:
            assert over or actor in self.active, error
            return
        assert index == len(self.members)
        self.members.append((actor, epoch))
        self.active[actor] = index

    @precondition(lambda self: self.active)
    @rule(actor=actors)
    def leave(self, actor: str) -> None:
        try:
            self.world.as_(actor).leave()
        except ChainError:
            assert actor not in self.active
            return
        del self.active[actor]

    @rule(seconds=st.sampled_from([EPOCH // 2, EPOCH, 2 * EPOCH]))
    def wait(self, seconds: int) -> None:
        self.world.chain.travel(seconds)

    @rule(mode=st.sampled_from(MODES))
    def misbehave(self, mode: int) -> None:
        self.world.tokens[1].transact("set_mode", mode)
        self.mode = mode

    @precondition(lambda self: self.members and self.epoch() > 0)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        past = range(min(self.epoch(), EPOCHS))
        open_ = [e for e in past if e not in self.settled]
        epoch = data.draw(st.sampled_from(open_ * 5 + list(self.settled)), "epoch")
        count = sum(1 for _, joined in self.members if joined <= epoch)
        assert self.world.pool.members_of(epoch) == count
        if not count:
            return
        weights = data.draw(st.lists(st.integers(0, 1000), min_size=count, max_size=count), "weights")
        spare = data.draw(st.integers(1, 1000), "spare")
        shares = [WHOLE * w // (sum(weights) + spare) for w in weights]
        closed = self.over(3)
        try:
            self.world.settle(epoch, shares)
        except ChainError as error:
            assert closed or epoch in self.settled, error
            return
        assert not closed
        assert epoch not in self.settled
        listed = self.settled[epoch] = ShareList(epoch, shares)
        for number in range(2):
            if not sum(shares):
                continue
            whole = self.carried[number] // (EPOCHS - epoch)
            fee = whole * self.fee // 10_000
            budget, fee = whole - fee, fee * listed.total >> 48
            for index in range(count):
                self.claimable[number, epoch, index] = listed.payout(index, budget)
            self.credit[number, "aggregator"] = self.credit.get((number, "aggregator"), 0) + fee
            self.carried[number] -= fee + (budget * listed.total >> 48)

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), sender=actors)
    def claim(self, data: st.DataObject, sender: str) -> None:
        epochs = data.draw(st.lists(st.sampled_from(sorted(self.settled)), min_size=1, max_size=3), "epochs")
        index = data.draw(st.integers(0, len(self.settled[min(epochs)].shares) - 1), "index")
        fits = len(set(epochs)) == len(epochs) and all(
            self.world.pool.contract.call("is_unclaimed", e, index) for e in epochs
        )
        proofs = [self.settled[e].claim(index) for e in epochs]
        try:
            self.world.as_(sender).contract.transact("claim", index, proofs)
        except ChainError as error:
            assert not fits, error
            return
        assert fits
        name = self.members[index][0]
        for number in range(2):
            amount = sum(self.claimable.pop((number, e, index), 0) for e in epochs)
            if number == 0 or self.mode in PAYS:
                self.paid[number] += amount
            else:
                self.credit[number, name] = self.credit.get((number, name), 0) + amount

    @precondition(lambda self: any(self.credit.values()))
    @rule(actor=st.sampled_from([*ACTORS, "aggregator"]))
    def collect(self, actor: str) -> None:
        who = self.world.chain.account if actor == "aggregator" else account(actor)
        self.world.pool.contract.transact("collect", who)
        for number in range(2):
            if number == 0 or self.mode in PAYS:
                self.paid[number] += self.credit.pop((number, actor), 0)

    @precondition(lambda self: self.over(1))
    @rule(number=st.integers(0, 1))
    def sweep(self, number: int) -> None:
        over = self.over(3)
        try:
            self.world.pool.contract.transact("sweep", self.world.tokens[number].address)
        except ChainError as error:
            bad = number == 1 and self.mode not in PAYS
            assert not over or bad or self.carried[number] == 0, error
            return
        assert over
        self.swept[number] += self.carried[number]
        self.carried[number] = 0

    @invariant()
    def books_balance(self) -> None:
        for number, token in enumerate(self.world.tokens):
            owed = sum(v for (n, *_), v in self.claimable.items() if n == number)
            owed += sum(v for (n, _), v in self.credit.items() if n == number)
            carried, reserved = self.world.pool.balances(token.address)
            assert carried == self.carried[number]
            assert reserved == owed
            assert self.deposited[number] == self.paid[number] + owed + carried + self.swept[number]
            assert self.world.held(number) == carried + reserved


PoolMachine.TestCase.settings = settings(
    max_examples=min(25, settings.default.max_examples) if settings.default.max_examples < 100 else 300,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestPool = PoolMachine.TestCase
