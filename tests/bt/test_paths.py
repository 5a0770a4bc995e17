"""Names out of torrents: safe on every system, unique, and left alone where they are harmless."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from axon.bt.paths import MAX_COMPONENT, original_path, safe_component, unique_paths

raw_names = st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode(errors="replace"))
names = st.sampled_from(
    ["a", "A", "b", "a.1", "a.txt", "A.TXT", "a.1.txt", "\u00df", "SS", "\u0130", "x" * 255]
)


@given(raw_names)
@example(b"..")
@example(b"con.txt")
@example(b"x" * 250 + "\U0001f600".encode() * 3)
@example(b"com1" + b" " * 300 + b".txt")
def test_a_safe_component_is_safe_whatever_came_in(raw: bytes) -> None:
    name = safe_component(raw)
    assert name not in ("", ".", "..")
    assert not any(mark in name for mark in "/\\\0")
    assert all(unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in name)
    assert not any(
        unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRE", "RLI", "PDF") for char in name
    )
    assert 0 < len(name.encode()) <= MAX_COMPONENT
    assert name[-1] not in ". "
    assert name.split(".")[0].rstrip().upper() not in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT9")
    assert safe_component(name.encode()) == name, "what is safe stays as it is"


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        (b"movie.mkv", "movie.mkv"),
        (b".hidden", ".hidden"),
        (b"a:b?c*", "a:b?c*"),
        ("\u00fcber \u65e5\u672c".encode(), "\u00fcber \u65e5\u672c"),
        (b"..", "__"),
        (b".", "_"),
        (b"", "_"),
        (b"a/b\\c\0d", "a_b_c_d"),
        (b"/etc/passwd", "_etc_passwd"),
        (b"NUL", "_NUL"),
        (b"aux.c", "_aux.c"),
        (b"trailing. ", "trailing__"),
        ("\u202egnp.exe".encode(), "_gnp.exe"),
        (b"\x1b[31mred", "_[31mred"),
        (b"\xff\xfe", "__"),
    ],
)
def test_harmless_names_stay_and_others_are_made_safe(raw: bytes, safe: str) -> None:
    assert safe_component(raw) == safe


def test_a_long_name_keeps_its_extension() -> None:
    name = safe_component(b"x" * 300 + b".mkv")
    assert name.endswith("x.mkv")
    assert len(name) == MAX_COMPONENT


@given(st.lists(st.lists(names, min_size=1, max_size=3).map(tuple), max_size=30))
def test_paths_become_unique_without_regard_to_case_and_no_file_is_a_folder(
    paths: list[tuple[str, ...]],
) -> None:
    result = unique_paths(paths)
    folded = [tuple(part.casefold() for part in path) for path in result]
    assert len(set(folded)) == len(paths)
    folders = {path[:depth] for path in folded for depth in range(1, len(path))}
    assert not folders & set(folded)
    assert all(new[:-1] == old[:-1] for new, old in zip(result, paths))
    assert all(len(path[-1].encode()) <= MAX_COMPONENT for path in result)
    assert unique_paths(result) == result


def test_a_hundred_thousand_equal_names_take_no_quadratic_time() -> None:
    assert len(set(unique_paths([("a", "b.txt")] * 100_000))) == 100_000


def test_the_first_of_equals_keeps_its_name() -> None:
    assert unique_paths([("n", "a.txt"), ("n", "A.txt"), ("n", "a.1.txt"), ("n", "d"), ("n", "d", "f")]) == [
        ("n", "a.txt"),
        ("n", "A.1.txt"),
        ("n", "a.1.1.txt"),
        ("n", "d.1"),
        ("n", "d", "f"),
    ]


def test_original_names_stay_inside_or_are_nothing() -> None:
    assert original_path([b"n", b"aux.c"]) == ("n", "aux.c")
    assert original_path([b"n", b"\xff"]) == ("n", "\udcff")
    for bad in (b"..", b".", b"", b"a/b", b"a\0"):
        assert original_path([b"n", bad]) is None
