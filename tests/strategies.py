"""Hypothesis strategies shared by several test files, one section an area."""

from itertools import pairwise

from hypothesis import strategies as st

from axon.bt import messages as msg
from axon.bt.pex import PexAddress

# -- wire ----------------------------------------------------------------------------------------------------

U32 = st.integers(0, 2**32 - 1)


def messages() -> st.SearchStrategy[msg.Message]:
    """Any peer message, whatever its numbers."""
    block = (U32, U32, U32)
    hashes = (st.binary(min_size=32, max_size=32), U32, U32, U32, U32)
    return st.one_of(
        st.sampled_from([msg.Choke(), msg.Unchoke(), msg.Interested(), msg.NotInterested()]),
        st.sampled_from([msg.HaveAll(), msg.HaveNone()]),
        st.builds(msg.Have, U32),
        st.builds(msg.BitfieldMessage, st.binary(max_size=64)),
        st.builds(msg.Request, *block),
        st.builds(msg.Piece, U32, U32, st.binary(min_size=1, max_size=64)),
        st.builds(msg.Cancel, *block),
        st.builds(msg.Port, st.integers(0, 65535)),
        st.builds(msg.Suggest, U32),
        st.builds(msg.Reject, *block),
        st.builds(msg.AllowedFast, U32),
        st.builds(msg.Extended, st.integers(0, 255), st.binary(max_size=64)),
        st.builds(msg.HashRequest, *hashes),
        st.builds(
            msg.Hashes,
            *hashes,
            st.integers(0, 4).flatmap(lambda n: st.binary(min_size=32 * n, max_size=32 * n)),
        ),
        st.builds(msg.HashReject, *hashes),
    )


def cuts(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """The same bytes, cut anywhere."""

    def cut(places: list[int]) -> list[bytes]:
        edges = [0, *sorted(places), len(data)]
        return [data[a:b] for a, b in pairwise(edges)]

    return st.lists(st.integers(0, len(data)), max_size=12).map(cut)


def addresses() -> st.SearchStrategy[PexAddress]:
    """Where a peer may listen, sensible or not."""
    return st.builds(PexAddress, st.ip_addresses(), st.integers(0, 65535))
