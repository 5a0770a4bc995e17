"""The picker: choices by vector, invariants by a stateful model."""

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from axon.bt.picker import BLOCK_SIZE, Picker


def picker(pieces: int = 8, blocks: int = 4, **options: object) -> Picker[str]:
    return Picker(pieces, lambda index: blocks * BLOCK_SIZE, **options)  # type: ignore[arg-type]


def deliver(it: Picker[str], key: str, requests: list[tuple[int, int, int]]) -> None:
    for index, begin, _ in requests:
        it.on_block(key, index, begin)


def pieces_of(requests: list[tuple[int, int, int]]) -> list[int]:
    return list(dict.fromkeys(index for index, _, _ in requests))


def test_a_run_covers_whole_pieces_in_order_and_the_last_block_is_short() -> None:
    size = 2 * BLOCK_SIZE + 100
    it: Picker[str] = Picker(1, lambda index: size)
    it.peer_joined("a")
    it.peer_has_all("a")
    assert it.pick("a", 9, 0.0) == [(0, 0, BLOCK_SIZE), (0, BLOCK_SIZE, BLOCK_SIZE), (0, 2 * BLOCK_SIZE, 100)]
    assert it.pick("a", 9, 0.0) == []
    assert it.left == it.wanted_left == size


def test_rarest_piece_is_first_once_there_is_something_to_trade() -> None:
    it = picker(have=b"\xf0")
    for key in "abc":
        it.peer_joined(key)
    it.peer_bitfield("a", b"\x0f")
    it.peer_bitfield("b", b"\x0d")
    it.peer_bitfield("c", b"\x0f")
    assert it.availability(6) == 2
    assert it.pick("a", 4, 0.0)[0][0] == 6


def test_first_pieces_are_random() -> None:
    firsts = set()
    for seed in range(40):
        it = picker(seed=seed)
        for key in "ab":
            it.peer_joined(key)
        it.peer_bitfield("b", b"\x7f")  # piece 0 is the rarest
        it.peer_has_all("a")
        firsts.add(it.pick("a", 1, 0.0)[0][0])
    assert len(firsts) > 4


def test_priorities_come_before_rarity_and_zero_is_never_asked() -> None:
    it = picker(priorities={0: 0, 1: 0, 2: 0, 3: 7, 4: 1, 5: 7, 6: 0, 7: 0})
    it.peer_joined("a")
    it.peer_has_all("a")
    order = pieces_of(it.pick("a", 100, 0.0))
    assert set(order[:2]) == {3, 5}
    assert order[2:] == [4]
    assert it.wanted_left == 3 * 4 * BLOCK_SIZE
    assert it.left == 8 * 4 * BLOCK_SIZE


def test_sequential_mode_goes_from_the_start() -> None:
    it = picker(sequential=True)
    it.peer_joined("a")
    it.peer_has_all("a")
    assert pieces_of(it.pick("a", 100, 0.0)) == list(range(8))


def test_fast_peers_get_whole_pieces_and_slow_peers_share_one() -> None:
    it = picker(blocks=64)
    for key in "abcd":
        it.peer_joined(key)
        it.peer_has_all(key)
    fast = [pieces_of(it.pick(key, 32, 0.0)) for key in "ab"]
    assert fast[0] != fast[1]
    assert all(len(pieces) == 1 for pieces in fast)
    slow = [it.pick(key, 4, 0.0) for key in "cd"]
    assert pieces_of(slow[0]) == pieces_of(slow[1])
    assert not set(slow[0]) & set(slow[1])


def test_a_begun_piece_comes_before_a_new_one() -> None:
    it = picker()
    for key in "ab":
        it.peer_joined(key)
        it.peer_has_all(key)
    begun = it.pick("a", 2, 0.0)[0][0]
    it.peer_gone("a")
    assert it.pick("b", 4, 0.0)[0][0] == begun


def test_suggested_piece_is_tried_first() -> None:
    it = picker(have=b"\xf0")
    it.peer_joined("a")
    it.peer_has_all("a")
    it.suggested("a", 6)
    assert it.pick("a", 1, 0.0)[0][0] == 6


def test_choked_peer_is_asked_for_allowed_pieces_only() -> None:
    it = picker()
    it.peer_joined("a")
    it.peer_bitfield("a", b"\xf0")
    assert pieces_of(it.pick("a", 100, 0.0, allowed=[2, 2, 7])) == [2]


def test_released_blocks_go_to_others_and_still_count_when_late() -> None:
    it = picker(pieces=1)
    for key in "ab":
        it.peer_joined(key)
        it.peer_has_all(key)
    asked = it.pick("a", 4, 0.0)
    assert it.overdue(5.0, 10.0) == []
    assert it.overdue(10.0, 10.0) == ["a"]
    it.release("a")
    assert it.outstanding("a") == 0
    assert it.on_block("a", 0, 0) == ()  # late, but welcome
    again = it.pick("b", 4, 1.0)
    assert again == asked[1:]
    assert it.on_block("a", 0, BLOCK_SIZE) == ("b",)  # late, and b need not send it any more
    assert it.on_block("b", 0, BLOCK_SIZE) is None


def test_rejected_piece_is_not_asked_again_at_once() -> None:
    it = picker(pieces=2)
    it.peer_joined("a")
    it.peer_has_all("a")
    (index, begin, _), *_ = it.pick("a", 1, 0.0)
    it.block_rejected("a", index, begin, 0.0)
    assert index not in pieces_of(it.pick("a", 100, 1.0))
    assert (index, begin, BLOCK_SIZE) in it.pick("a", 100, 100.0)
    it.block_rejected("a", index, 999 * BLOCK_SIZE, 0.0)  # never asked: ignored (HOSTILE 19)


def test_end_game_asks_twice_and_cancels() -> None:
    it = picker(pieces=1, blocks=2)
    for key in "abcde":
        it.peer_joined(key)
        it.peer_has_all(key)
    first = it.pick("a", 2, 0.0)
    assert it.end_game
    assert it.pick("b", 2, 0.0) == it.pick("c", 2, 0.0) == first
    assert it.pick("d", 2, 0.0) == []  # three askers are enough
    assert it.on_block("b", 0, 0) == ("a", "c")
    it.peer_gone("a")
    it.peer_gone("c")
    assert it.on_block("b", 0, BLOCK_SIZE) == ()


def test_no_end_game_while_somebody_could_ask_something_new() -> None:
    it = picker(pieces=2)
    for key in "ab":
        it.peer_joined(key)
    it.peer_bitfield("a", b"\x80")
    it.peer_bitfield("b", b"\x80")
    it.pick("a", 4, 0.0)
    assert not it.end_game
    assert it.pick("b", 4, 0.0) == []


def test_failed_piece_is_asked_again_of_one_peer_at_a_time() -> None:
    it = picker(pieces=3, blocks=64)
    for key in "ab":
        it.peer_joined(key)
        it.peer_has_all(key)
    bad = 0
    for _ in range(32):
        for key in "ab":
            for index, begin, _ in it.pick(key, 4, 0.0):
                it.on_block(key, index, begin)
                bad = index
    it.piece_failed(bad)
    assert pieces_of(it.pick("a", 2, 1.0)) == [bad]
    assert bad not in pieces_of(it.pick("b", 64, 1.0))


def test_memory_bound_holds_and_a_stuck_piece_is_given_up() -> None:
    dropped: list[int] = []
    it = picker(max_open=1, on_drop=dropped.append)
    for key in "ab":
        it.peer_joined(key)
    it.peer_bitfield("a", b"\x80")
    it.peer_bitfield("b", b"\x40")
    deliver(it, "a", it.pick("a", 2, 0.0))
    assert pieces_of(it.pick("b", 9, 0.0)) == [1]  # nobody works on piece 0
    assert dropped == [0]
    assert it.pick("a", 9, 0.0) == []  # but b works on piece 1
    assert it.num_open == 1


def test_peer_that_completes_becomes_a_seed() -> None:
    it = picker(pieces=2)
    it.peer_joined("a")
    assert not it.interesting("a")
    assert it.peer_has("a", 0)
    assert it.peer_has("a", 1)
    assert it.copies() == 1.0
    assert it.availability(0) == 1
    it.peer_gone("a")
    it.peer_gone("a")
    assert it.copies() == 0.0
    with pytest.raises(ValueError, match="joined twice"):
        it.peer_joined("b")
        it.peer_joined("b")


def test_lost_piece_is_wanted_again() -> None:
    it = picker(pieces=2, have=b"\xc0")
    assert it.complete and it.is_seed
    it.piece_lost(1)
    assert not it.complete
    assert it.left == it.wanted_left == 4 * BLOCK_SIZE
    it.piece_verified(1)
    assert it.have_bytes() == b"\xc0"
    assert it.left == it.wanted_left == 0


def test_empty_torrent_is_complete() -> None:
    it = picker(pieces=0)
    it.peer_joined("a")
    it.peer_has_all("a")
    assert it.complete
    assert it.pick("a", 4, 0.0) == []
    it.peer_gone("a")


KEYS = ["a", "b", "c", "d"]
PIECES, SIZES = 6, [5, 1, 3, 5, 5, 2]


class Picking(RuleBasedStateMachine):
    """Four peers against a model that knows only sets."""

    @initialize(seed=st.integers(0, 99), sequential=st.booleans(), max_open=st.integers(1, 6))
    def start(self, seed: int, sequential: bool, max_open: int) -> None:
        self.now = 0.0
        self.it: Picker[str] = Picker(
            PIECES,
            lambda index: SIZES[index] * BLOCK_SIZE - 7,
            seed=seed,
            sequential=sequential,
            max_open=max_open,
            on_drop=self.drop,
        )
        self.has: dict[str, set[int]] = {}
        self.asked: dict[str, set[tuple[int, int]]] = {}
        self.got: set[tuple[int, int]] = set()  # blocks of pieces not verified
        self.mine: set[int] = set()
        self.unwanted: set[int] = set()
        self.max_open = max_open

    def drop(self, index: int) -> None:
        assert not any(piece == index for asked in self.asked.values() for piece, _ in asked)
        assert len([1 for piece, _ in self.got if piece == index]) < SIZES[index]
        self.got = {(piece, block) for piece, block in self.got if piece != index}

    def wanted_blocks(self) -> set[tuple[int, int]]:
        pieces = set(range(PIECES)) - self.mine - self.unwanted
        return {(piece, block) for piece in pieces for block in range(SIZES[piece])} - self.got

    @rule(key=st.sampled_from(KEYS), have=st.sets(st.integers(0, PIECES - 1)), every=st.booleans())
    def join(self, key: str, have: set[int], every: bool) -> None:
        if key in self.has:
            return
        self.it.peer_joined(key)
        if every:
            self.it.peer_has_all(key)
            have = set(range(PIECES))
        else:
            bits = sum(0x80 >> index for index in have)
            self.it.peer_bitfield(key, bytes([bits]))
        self.has[key], self.asked[key] = have, set()

    def known(self, key: str) -> bool:
        return key in self.has

    @rule(key=st.sampled_from(KEYS), index=st.integers(0, PIECES - 1))
    def have(self, key: str, index: int) -> None:
        if self.known(key):
            wanted = index not in self.mine | self.unwanted
            assert self.it.peer_has(key, index) == wanted
            self.has[key].add(index)

    @rule(key=st.sampled_from(KEYS))
    def leave(self, key: str) -> None:
        if self.known(key):
            self.it.peer_gone(key)
            del self.has[key], self.asked[key]

    @rule(key=st.sampled_from(KEYS))
    def release(self, key: str) -> None:
        if self.known(key):
            self.it.release(key)
            self.asked[key] = set()

    @rule(key=st.sampled_from(KEYS), data=st.data())
    def reject(self, key: str, data: st.DataObject) -> None:
        if self.asked.get(key):
            index, block = data.draw(st.sampled_from(sorted(self.asked[key])))
            self.it.block_rejected(key, index, block * BLOCK_SIZE, self.now)
            self.asked[key].discard((index, block))

    @rule(index=st.integers(0, PIECES - 1), priority=st.integers(0, 7))
    def prioritise(self, index: int, priority: int) -> None:
        self.it.set_priority(index, priority)
        assert self.it.priority(index) == priority
        (self.unwanted.discard if priority else self.unwanted.add)(index)

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 12))
    def pick(self, key: str, count: int) -> None:
        if not self.known(key):
            return
        self.now += 1.0
        wanted = self.wanted_blocks()
        elsewhere = Counter(block for other in self.asked for block in self.asked[other])
        requests = self.it.pick(key, count, self.now)
        assert len(requests) <= count
        free = self.wanted_blocks() - set(elsewhere)  # after what was dropped to make room
        for index, begin, length in requests:
            block = (index, begin // BLOCK_SIZE)
            assert length == min(BLOCK_SIZE, SIZES[index] * BLOCK_SIZE - 7 - begin)
            assert block in wanted | free
            assert index in self.has[key]
            assert block not in self.asked[key]
            if elsewhere[block]:
                assert elsewhere[block] < 3
                assert not free - {(piece, number // BLOCK_SIZE) for piece, number, _ in requests}
            self.asked[key].add(block)

    @precondition(lambda self: any(self.asked.values()))
    @rule(data=st.data())
    def block(self, data: st.DataObject) -> None:
        key, (index, block) = data.draw(
            st.sampled_from(sorted((key, block) for key, blocks in self.asked.items() for block in blocks))
        )
        self.arrive(key, index, block)

    @precondition(lambda self: any(self.asked.values()))
    @rule(data=st.data(), count=st.integers(1, 5))
    def blocks(self, data: st.DataObject, count: int) -> None:
        """A row of blocks: all at once if they are this peer's alone, else nothing happens."""
        key, (index, first) = data.draw(
            st.sampled_from(sorted((key, block) for key, blocks in self.asked.items() for block in blocks))
        )
        row = {(index, first + k) for k in range(count)}
        others = {block for other in self.asked if other != key for block in self.asked[other]}
        alone = row <= self.asked[key] and not row & others
        assert self.it.on_blocks(key, index, first * BLOCK_SIZE, count) is alone
        if alone:
            self.asked[key] -= row
            self.got |= row

    def arrive(self, key: str, index: int, block: int) -> None:
        cancelled = self.it.on_block(key, index, block * BLOCK_SIZE)
        assert cancelled is not None
        others = {other for other in self.asked if (index, block) in self.asked[other]} - {key}
        assert set(cancelled) == others
        for asked in self.asked.values():
            asked.discard((index, block))
        self.got.add((index, block))

    @rule(data=st.data(), good=st.booleans())
    def hash(self, data: st.DataObject, good: bool) -> None:
        whole = [index for index in range(PIECES) if self.is_whole(index)]
        if whole:
            self.finish(data.draw(st.sampled_from(whole)), good)

    def is_whole(self, index: int) -> bool:
        return sum(piece == index for piece, _ in self.got) == SIZES[index]

    def finish(self, index: int, good: bool) -> None:
        if good:
            self.it.piece_verified(index)
            self.mine.add(index)
        else:
            self.it.piece_failed(index)
        self.got = {(piece, block) for piece, block in self.got if piece != index}

    @invariant()
    def counts_agree(self) -> None:
        assert self.it.num_have == len(self.mine)
        assert self.it.complete == (not set(range(PIECES)) - self.mine - self.unwanted)
        for key, asked in self.asked.items():
            assert self.it.outstanding(key) == len(asked)
        for index in range(PIECES):
            assert self.it.availability(index) == sum(index in has for has in self.has.values())
            assert self.it.has(index) == (index in self.mine)
        assert self.it.num_open <= self.max_open
        left = sum(SIZES[index] * BLOCK_SIZE - 7 for index in range(PIECES) if index not in self.mine)
        assert self.it.left == left

    def teardown(self) -> None:
        """From whatever state, one willing seed finishes the download."""
        if not hasattr(self, "it"):
            return
        for key in list(self.has):
            self.leave(key)
        self.join("seed", set(), True)
        for _ in range(200):
            for index in range(PIECES):
                if self.is_whole(index):
                    self.finish(index, True)
            if self.it.complete:
                return
            self.now += 100.0
            self.pick("seed", 7)
            for index, block in sorted(self.asked["seed"]):
                self.arrive("seed", index, block)
        raise AssertionError("the download never ends")


TestPicking = Picking.TestCase
