"""The address book of a torrent, against a simple model."""

from hypothesis import given
from hypothesis import strategies as st

from axon.peer.peerbook import PeerBook, Source

addresses = st.builds(lambda a, p: (f"10.0.0.{a}", p), st.integers(1, 6), st.integers(1, 3))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), addresses, st.sampled_from(Source)),
        st.tuples(st.just("fail"), addresses),
        st.tuples(st.just("leave"), addresses),
        st.tuples(st.just("ban"), st.integers(1, 6)),
        st.tuples(st.just("next"), st.floats(0, 100)),
    ),
    max_size=60,
)


@given(steps)
def test_nobody_is_dialled_twice_at_once_too_soon_or_after_a_ban(script):
    book, now = PeerBook(), 0.0
    busy, not_before, banned, known = set(), {}, set(), set()
    for step, *facts in script:
        if step == "add":
            if book.add(*facts):
                known.add(facts[0])
        elif step == "fail":
            book.failed(facts[0], now)
            if facts[0] in known:
                not_before[facts[0]] = now + 30
            busy.discard(facts[0])
        elif step == "leave":
            book.disconnected(facts[0], now)
            if facts[0] in known:
                not_before[facts[0]] = now + 30
            busy.discard(facts[0])
        elif step == "ban":
            host = f"10.0.0.{facts[0]}"
            book.ban(host)
            banned.add(host)
        else:
            now += facts[0]
            address = book.next(now)
            if address is not None:
                assert address in known and address not in busy
                assert address[0] not in banned
                assert now >= not_before.get(address, 0)
                busy.add(address)


def test_the_users_peers_come_first_and_are_never_given_up():
    book = PeerBook(lambda address: address[1])
    book.add(("10.0.0.1", 9), Source.PEX)
    book.add(("10.0.0.2", 1), Source.USER)
    book.add(("10.0.0.3", 5), Source.TRACKER)
    now = 0.0
    assert [book.next(now) for _ in range(4)] == [("10.0.0.2", 1), ("10.0.0.1", 9), ("10.0.0.3", 5), None]
    for _ in range(20):
        now += 4000
        for address in (("10.0.0.2", 1), ("10.0.0.1", 9)):
            book.failed(address, now)
    assert book.next(now + 4000) == ("10.0.0.2", 1)
    assert len(book) == 2


def test_a_flood_from_strangers_is_bounded_and_pushes_nobody_better_out():
    book = PeerBook()
    book.add(("10.255.0.1", 1), Source.USER)
    for number in range(5000):
        book.add((f"10.{number >> 8}.{number & 255}.7", 1), Source.PEX)
    assert len(book) == 2000
    assert book.add(("10.254.0.1", 1), Source.TRACKER)
    assert book.next(0.0) == ("10.255.0.1", 1)


def test_what_cannot_be_dialled_is_not_taken():
    book = PeerBook()
    for address in (("1.2.3.4", 0), ("1.2.3.4", 65536), ("224.0.0.1", 5), ("0.0.0.0", 5), ("name", 5)):
        assert not book.add(address, Source.PEX)
    assert book.add(("name", 5), Source.USER)
    assert book.add(("::1", 5), Source.TRACKER)


def test_what_worked_counts_for_more_than_what_was_said_about_encryption():
    book = PeerBook()
    book.add(("8.8.8.8", 1), Source.PEX, encrypted=True)
    book.add(("8.8.4.4", 1), Source.PEX)
    assert book.spoke(("8.8.8.8", 1)) is True
    assert book.spoke(("8.8.4.4", 1)) is None and book.spoke(("1.1.1.1", 1)) is None
    book.spoken(("8.8.8.8", 1), encrypted=False)
    book.add(("8.8.8.8", 1), Source.PEX, encrypted=True)
    assert book.spoke(("8.8.8.8", 1)) is False
