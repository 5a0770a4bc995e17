import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt.messages import Request
from axon.bt.requests import Downloads, Uploads
from axon.errors import RemoteProtocolError

small = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 2))


@given(
    st.lists(st.tuples(st.sampled_from(["ask", "give up", "choke", "reject", "block"]), small), max_size=40)
)
def test_every_request_has_at_most_one_answer(steps):
    """Against a list of what is owed to us: each entry is answered by one block or one reject at most."""
    downloads, owed, strays = Downloads(), [], 0
    for action, (index, begin, length) in steps:
        key = index, begin
        known = key in downloads.outstanding or key in downloads.late
        if action == "ask" and not known:
            downloads.outstanding[key] = length
            owed.append((index, begin, length))
        elif action == "give up":
            downloads.give_up(index, begin)
        elif action == "choke":
            downloads.give_up_all()
            assert not downloads.outstanding
        elif action == "reject":
            try:
                downloads.rejected(Request(index, begin, length))
            except RemoteProtocolError:
                assert (index, begin, length) not in owed
            else:
                owed.remove((index, begin, length))
        elif action == "block" and key not in downloads.outstanding:
            try:
                if downloads.unexpected(index, begin, length):
                    owed.remove((index, begin, length))
                else:
                    strays += 1
            except RemoteProtocolError:
                assert known and (index, begin, length) not in owed
        assert {(i, b, n) for d in (downloads.outstanding, downloads.late) for (i, b), n in d.items()} == set(
            owed
        )
    assert downloads.strays == strays


def test_requests_given_up_are_not_remembered_for_ever():
    downloads = Downloads()
    for begin in range(10_000):
        downloads.outstanding[0, begin] = 1
        downloads.give_up(0, begin)
    assert len(downloads.late) == 4096


@given(st.lists(small), st.integers(1, 5))
def test_the_upload_queue_is_bounded_ordered_and_without_repeats(asked, limit):
    uploads, model = Uploads(limit), []
    for block in asked:
        fits = block in model or len(model) < limit
        assert uploads.add(*block) == fits
        if fits and block not in model:
            model.append(block)
    taken = uploads.take(2) + uploads.take(99)
    assert taken == model and not uploads.queue


def test_asking_in_vain_is_forgiven_by_service_but_not_for_ever():
    uploads = Uploads(10)
    for _ in range(5):
        for _ in range(80):
            uploads.refuse()
        uploads.take(1)
    with pytest.raises(RemoteProtocolError, match="81 in vain"):
        for _ in range(81):
            uploads.refuse()
