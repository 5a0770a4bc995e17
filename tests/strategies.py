"""Hypothesis strategies shared by several test files, one section an area."""

from itertools import pairwise
from typing import Any

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


# -- torrents ------------------------------------------------------------------------------------------------


def bencodable(max_leaves: int = 20) -> st.SearchStrategy[Any]:
    """Draw whatever bencode can say."""
    leaves = st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40)
    return st.recursive(
        leaves,
        lambda below: st.lists(below, max_size=5) | st.dictionaries(st.binary(max_size=8), below, max_size=5),
        max_leaves=max_leaves,
    )


def file_trees(
    max_files: int = 6, max_length: int = 80_000
) -> st.SearchStrategy[dict[tuple[bytes, ...], int]]:
    """Draw lengths by path: folders of files, empty ones among them; no file is also a folder."""
    names = st.sampled_from([b"a", b"b", b"c", b"Zed", "\u00e9".encode(), b"x.bin", b"with space"])
    paths = st.lists(names, min_size=1, max_size=3).map(tuple)
    lengths = st.sampled_from([0, 1, 16384, 32768, 65536]) | st.integers(0, max_length)

    def no_file_is_a_folder(tree: dict[tuple[bytes, ...], int]) -> dict[tuple[bytes, ...], int]:
        folders = {path[:depth] for path in tree for depth in range(1, len(path))}
        return {path: length for path, length in tree.items() if path not in folders}

    drawn = st.dictionaries(paths, lengths, min_size=1, max_size=max_files)
    return drawn.map(no_file_is_a_folder)


versions = st.sampled_from(["v1", "v2", "hybrid"])
