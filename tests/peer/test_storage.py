"""Pieces on disk: whatever the layout, what was written is read, and nothing else appears."""

import errno
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.bt import bencode
from axon.bt.create import CreateOptions, Draft, Source
from axon.bt.metainfo import Metainfo, parse_info, parse_torrent
from axon.errors import StorageError
from axon.peer.reserve import EXTENT
from axon.peer.storage import Storage
from tests.strategies import file_trees, versions

PIECE = 16384


def build(tree: dict[tuple[bytes, ...], int], version: Any = "v1") -> tuple[Metainfo, dict[int, bytes]]:
    """Make a torrent of files with drawn bytes; return it and its pieces."""
    sources = [Source(path, length) for path, length in tree.items()]
    draft = Draft.plan("n", sources, CreateOptions(version=version, piece_length=PIECE))
    contents = [hashlib.shake_128(b"%d" % k).digest(one.length) for k, one in enumerate(sources)]
    pieces = {}
    for index in range(draft.layout.num_pieces):
        parts = []
        for number, offset, size in draft.layout.spans(index, 0, draft.layout.piece_size(index)):
            source = draft.sources[number]
            parts.append(bytes(size) if source is None else contents[source][offset : offset + size])
        pieces[index] = b"".join(parts)
    return parse_torrent(draft.finish([draft.hash_piece(k, data) for k, data in pieces.items()])), pieces


def listing(root: Path) -> set[str]:
    """Return the files below a folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@given(file_trees(), versions, st.randoms(use_true_random=False))
def test_pieces_written_in_any_order_are_read_back_and_make_the_files(
    tree: dict[tuple[bytes, ...], int], version: str, random: Any
) -> None:
    metainfo, pieces = build(tree, version)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        storage = Storage(metainfo, root, max_open=2)
        storage.prepare()
        order = list(pieces)
        random.shuffle(order)
        for index in order:
            assert not storage.check(index) or not any(pieces[index])
            storage.write_piece(index, pieces[index])
            assert storage.check(index)
        for index, data in pieces.items():
            begin = random.randint(0, len(data))
            length = random.randint(0, len(data) - begin)
            assert storage.read(index, begin, length) == data[begin : begin + length]
            runs = storage.runs(index, begin, length)
            assert (
                b"".join(os.pread(fd, size, offset) for fd, offset, size in runs)
                == data[begin : begin + length]
            )
        real = {"/".join(file.path): file.length for file in metainfo.files if not file.pad}
        assert {name: (root / name).stat().st_size for name in listing(root)} == real
        storage.close()


@given(file_trees(), versions, st.data())
def test_unwanted_files_do_not_appear_yet_their_edges_are_served_and_move_when_wanted(
    tree: dict[tuple[bytes, ...], int], version: str, data: st.DataObject
) -> None:
    metainfo, pieces = build(tree, version)
    count = len(metainfo.files)
    wanted = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count), label="wanted")
    needed = {k for n, wish in enumerate(wanted) if wish for k in metainfo.file_pieces(n)}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        storage = Storage(metainfo, root, wanted=wanted)
        storage.prepare()
        for index in needed:
            storage.write_piece(index, pieces[index])
        names = {"/".join(f.path) for f, wish in zip(metainfo.files, wanted) if wish and not f.pad}
        assert {name for name in listing(root) if not name.endswith(".parts")} == names
        assert all(storage.read(index, 0, len(pieces[index])) == pieces[index] for index in needed)
        storage.close()
        # The next run wants everything, and begins with what the part-file holds.
        storage = Storage(metainfo, root)
        storage.prepare()
        assert not any(name.endswith(".parts") for name in listing(root))
        assert all(storage.check(index) for index in needed)
        for index in set(pieces) - needed:
            storage.write_piece(index, pieces[index])
        assert all(storage.check(index) for index in pieces)
        storage.close()


def test_wanting_and_no_longer_wanting_a_file_while_running(tmp_path: Path) -> None:
    metainfo, pieces = build({(b"a",): 20_000, (b"b",): 40_000, (b"c",): 10})
    storage = Storage(metainfo, tmp_path, wanted={0: 1, 1: 0, 2: 1})
    for index in (0, 1, 3):
        storage.write_piece(index, pieces[index])
    assert not (tmp_path / "n/b").exists()
    storage.want(1)
    assert (tmp_path / "n/b").exists()
    assert all(storage.check(index) for index in (0, 1, 3))
    storage.write_piece(2, pieces[2])
    storage.unwant(1)  # what is there stays there
    assert all(storage.check(index) for index in pieces)


def test_threads_may_write_different_pieces_at_once(tmp_path: Path) -> None:
    metainfo, pieces = build({(b"%d" % k,): 7_000 for k in range(60)})
    storage = Storage(metainfo, tmp_path, max_open=3)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: storage.write_piece(index, pieces[index]), pieces))
        assert all(pool.map(storage.check, pieces))


def test_descriptors_outlive_their_eviction_while_somebody_holds_them(tmp_path: Path) -> None:
    metainfo, pieces = build({(b"%d" % k,): PIECE for k in range(9)})
    storage = Storage(metainfo, tmp_path, max_open=1)
    for index, data in pieces.items():
        storage.write_piece(index, data)
    held = storage.runs(0, 0, PIECE)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        for index in pieces:
            storage.runs(index, 0, 10)
    assert os.pread(held[0][0], PIECE, held[0][1]) == pieces[0]
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
    storage.close()
    assert os.pread(held[0][0], PIECE, held[0][1]) == pieces[0]


def test_files_are_sparse_and_grow_as_pieces_come(tmp_path: Path) -> None:
    metainfo, pieces = build({(): 100 * PIECE})
    Storage(metainfo, tmp_path).write_piece(90, pieces[90])
    status = (tmp_path / "n").stat()
    assert status.st_size == 91 * PIECE
    assert status.st_blocks * 512 < 10 * PIECE


def test_room_is_reserved_around_what_is_written_and_nowhere_else(tmp_path: Path) -> None:
    size = 1 << 20
    data = bytes(range(256)) * (size // 256)
    metainfo = parse_torrent(
        bencode.encode(
            {
                b"info": {
                    b"length": 20 * size,
                    b"name": b"n",
                    b"piece length": size,
                    b"pieces": hashlib.sha1(data).digest() * 20,
                }
            }
        )
    )
    storage = Storage(metainfo, tmp_path)
    storage.write_piece(9, data)
    status = (tmp_path / "n").stat()
    assert status.st_size == 10 * size  # what is reserved does not count as there
    assert status.st_blocks * 512 <= EXTENT + (64 << 10)
    assert storage.check(9)
    assert storage.read(8, 0, 100) == bytes(100)
    storage.write_piece(19, data)
    assert (tmp_path / "n").stat().st_size == 20 * size


def test_a_longer_file_of_the_same_name_is_cut_when_first_written(tmp_path: Path) -> None:
    metainfo, pieces = build({(): 20_000})
    (tmp_path / "n").write_bytes(b"x" * 50_000)
    storage = Storage(metainfo, tmp_path)
    assert not storage.check(0)
    assert (tmp_path / "n").stat().st_size == 50_000
    for index, data in pieces.items():
        storage.write_piece(index, data)
    assert (tmp_path / "n").stat().st_size == 20_000


@pytest.mark.parametrize("where", ["n", "n/d", "n/d/f"])
def test_a_symlink_in_the_download_folder_is_never_followed(tmp_path: Path, where: str) -> None:
    metainfo, pieces = build({(b"d", b"f"): 20_000, (b"g",): 5})
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "d").mkdir(parents=True)
    (outside / "d/f").write_bytes(b"precious")
    (root / where).parent.mkdir(parents=True)
    (root / where).symlink_to(
        outside if where == "n" else outside / "d" if where == "n/d" else outside / "d/f"
    )
    storage = Storage(metainfo, root)
    with pytest.raises(StorageError, match="symbolic link") as caught:
        storage.write_piece(0, pieces[0])
    assert caught.value.errno == errno.ELOOP
    with pytest.raises(StorageError):
        storage.read(0, 0, 10)
    assert (outside / "d/f").read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["folder", "fifo", "socket"])
def test_something_else_in_a_files_place_is_an_error_and_does_not_hang(tmp_path: Path, kind: str) -> None:
    metainfo, pieces = build({(): 20_000})
    if kind == "folder":
        (tmp_path / "n").mkdir()
    elif kind == "fifo":
        os.mkfifo(tmp_path / "n")
    else:
        os.mknod(tmp_path / "n", 0o140644)
    storage = Storage(metainfo, tmp_path)
    for attempt in (lambda: storage.write_piece(0, pieces[0]), lambda: storage.read(0, 0, 10)):
        with pytest.raises(StorageError):
            attempt()


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path: Path) -> None:
    metainfo, pieces = build({(b"d", b"f"): 20_000})
    (tmp_path / "n").write_bytes(b"")
    with pytest.raises(StorageError):
        Storage(metainfo, tmp_path).write_piece(0, pieces[0])


def test_missing_and_short_files_are_named_and_simply_wrong_when_checked(tmp_path: Path) -> None:
    metainfo, pieces = build({(): 40_000})
    storage = Storage(metainfo, tmp_path)
    with pytest.raises(StorageError, match="is not there") as caught:
        storage.read(0, 0, 5)
    assert caught.value.path == str(tmp_path / "n")
    assert not (tmp_path / "n").exists(), "reading makes no files"
    storage.write_piece(0, pieces[0])
    with pytest.raises(StorageError, match="ends at 16384, want 10 bytes more"):
        storage.read(1, 0, 10)
    assert [storage.check(index) for index in range(3)] == [True, False, False]


def test_reading_makes_not_even_the_download_folder(tmp_path: Path) -> None:
    metainfo, _ = build({(b"a",): 5})
    storage = Storage(metainfo, tmp_path / "new")
    assert not storage.check(0)
    assert storage.stat(0) is None
    assert not (tmp_path / "new").exists()


def test_a_full_disk_says_which_file_and_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metainfo, pieces = build({(): 40_000})
    storage = Storage(metainfo, tmp_path)
    storage.write_piece(0, pieces[0])
    real = os.pwrite
    room = [5_000]

    def full(fd: int, data: memoryview, offset: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        size = real(fd, data[: room[0]], offset)
        room[0] -= size
        return size

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        storage.write_piece(1, pieces[1])
    error = caught.value
    assert (error.errno, error.path, error.wanted) == (errno.ENOSPC, str(tmp_path / "n"), PIECE - 5_000)
    monkeypatch.undo()
    assert storage.check(0)
    assert not storage.check(1)
    storage.write_piece(1, pieces[1])  # once there is room, it goes on
    assert storage.check(1)


def test_a_real_limit_on_file_size_is_an_error_too(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from axon.errors import StorageError; from tests.peer.test_storage import build, Storage\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "metainfo, pieces = build({(): 40_000})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "storage = Storage(metainfo, Path(sys.argv[1])); storage.write_piece(0, pieces[0])\n"
        "try: storage.write_piece(1, pieces[1])\n"
        "except StorageError as error: print(error.errno, storage.check(0), storage.check(1))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(errno.EFBIG), "True", "False"], done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_trouble_with_reading_is_not_the_pieces_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metainfo, pieces = build({(): 40_000})
    storage = Storage(metainfo, tmp_path)
    storage.write_piece(0, pieces[0])

    def broken(*args: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(StorageError, match="Input/output error"):
        storage.check(0)


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_many_pieces_at_once_are_judged_each_by_itself(version: str, tmp_path: Path) -> None:
    """With a short last piece: a missing, a damaged and a good one side by side."""
    metainfo, pieces = build({(): 40 * PIECE + 5}, version)
    storage = Storage(metainfo, tmp_path)
    for index, data in pieces.items():
        if index != 7:
            storage.write_piece(index, bytes(PIECE) if index == 20 else data)
    assert storage.check_many(range(41)) == [index not in (7, 20) for index in range(41)]
    assert storage.check_many([40, 7, 0], bytearray(3 * PIECE)) == [True, False, True]
    assert storage.check_many([]) == []


def test_what_the_disk_does_not_give_is_wrong_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metainfo, pieces = build({(): 20 * PIECE})
    storage = Storage(metainfo, tmp_path)
    for index, data in pieces.items():
        storage.write_piece(index, data)
    preadv = os.preadv

    def broken(fd: int, views: list[memoryview], offset: int) -> int:
        if offset == 3 * PIECE:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(fd, views, offset)

    monkeypatch.setattr(os, "preadv", broken)
    heard: list[StorageError] = []
    assert storage.check_many(range(20), None, heard.append) == [index != 3 for index in range(20)]
    assert [error.errno for error in heard] == [errno.EIO]
    with pytest.raises(StorageError, match="Input/output error"):
        storage.check_many(range(20))


def test_hostile_torrents_write_inside_the_folder_only(tmp_path: Path) -> None:
    names = [
        [b"..", b"..", b"evil"],
        [b"/etc", b"evil"],
        [b"a", b"..", b"b"],
        [b"", b""],
        [b"a\0b"],
        [b"x" * 400],
    ]
    names += [[b"deep"] * 100, [b"CON"], [b"."], ["\u202e".encode()]]
    info = {
        "name": b"../..",
        "piece length": PIECE,
        "pieces": hashlib.sha1(b"z" * 5 * len(names)).digest(),
        "files": [{b"length": 5, b"path": path} for path in names],
    }
    metainfo = parse_info(bencode.encode(info))
    root = tmp_path / "a" / "b" / "c"
    storage = Storage(metainfo, root)
    storage.write_piece(0, b"z" * 5 * len(names))
    assert storage.check(0)
    inside = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(inside) == len(names)
    assert all(path.is_relative_to(root / metainfo.name) for path in inside)


def test_data_under_the_authors_own_names_is_found(tmp_path: Path) -> None:
    content = b"q" * 20_000
    info = {
        "name": b"src",
        "piece length": 1 << 15,
        "pieces": hashlib.sha1(content).digest(),
        "files": [{b"length": 15_000, b"path": [b"aux.c"]}, {b"length": 5_000, b"path": [b"\xff"]}],
    }
    metainfo = parse_info(bencode.encode(info))
    (tmp_path / "src").mkdir()
    (tmp_path / "src/aux.c").write_bytes(content[:15_000])
    (tmp_path / os.fsdecode(b"src/\xff")).write_bytes(content[15_000:])
    assert Storage(metainfo, tmp_path).check(0)
    fresh = Storage(metainfo, tmp_path / "fresh")
    fresh.write_piece(0, content)
    assert listing(tmp_path / "fresh") == {"src/_aux.c", "src/_"}


def test_links_bits_and_empty_files_are_made(tmp_path: Path) -> None:
    info = {
        "name": b"n",
        "piece length": PIECE,
        "pieces": hashlib.sha1(b"run").digest(),
        "files": [
            {b"length": 3, b"path": [b"bin", b"tool"], b"attr": b"x"},
            {b"length": 0, b"path": [b"sub", b"link"], b"attr": b"l", b"symlink path": [b"bin", b"tool"]},
            {b"length": 0, b"path": [b"out"], b"attr": b"l", b"symlink path": [b"..", b"..", b"etc"]},
            {b"length": 0, b"path": [b"empty"]},
        ],
    }
    storage = Storage(parse_info(bencode.encode(info)), tmp_path)
    storage.write_piece(0, b"run")
    assert os.access(tmp_path / "n/bin/tool", os.X_OK)
    assert (tmp_path / "n/sub/link").readlink() == Path("../bin/tool")
    assert (tmp_path / "n/sub/link").read_bytes() == b"run"
    assert (tmp_path / "n/out").read_bytes() == b""
    assert not (tmp_path / "n/out").is_symlink()
    assert (tmp_path / "n/empty").stat().st_size == 0
    storage.prepare()  # again: nothing changes


def test_a_folder_removed_underneath_is_made_again(tmp_path: Path) -> None:
    metainfo, pieces = build({(b"d", b"a"): 5, (b"d", b"b"): 20_000})
    storage = Storage(metainfo, tmp_path, max_open=1)
    storage.write_piece(0, pieces[0])
    for path in (tmp_path / "n/d/a", tmp_path / "n/d/b"):
        path.unlink()
    (tmp_path / "n/d").rmdir()
    storage.close()
    storage.write_piece(0, pieces[0])
    assert storage.check(0)
    storage.flush()
