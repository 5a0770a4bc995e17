"""`create`, `show` and `verify`: torrents and files, without any network.

The reading and hashing is `hashing.py`'s. Progress goes to standard error when
that is a terminal.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axon import __version__
from axon.bt.create import CreateOptions
from axon.bt.extended import clean_text
from axon.bt.magnet import Magnet
from axon.bt.metainfo import MAX_TORRENT, Metainfo, parse_torrent
from axon.errors import ConfigError, MetainfoError
from axon.peer.folder import refused
from axon.peer.hashing import FileState, list_sources, make_torrent, verify_files

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["describe", "run_create", "run_show", "run_verify"]


def run_create(
    path: Path,
    output: Path,
    *,
    version: str = "hybrid",
    trackers: tuple[tuple[str, ...], ...] = (),
    piece_length: int | None = None,
    private: bool = False,
    webseeds: tuple[str, ...] = (),
    comment: str | None = None,
    source: str | None = None,
    keep_links: bool = False,
    as_json: bool = False,
) -> int:
    """Make a torrent of `path` and write it to `output`, whole or not at all; return the exit code.

    Parameters are those of `CreateOptions`, and of `list_sources`.

    Raises
    ------
    ConfigError, MetainfoError, StorageError
        As `make_torrent`.
    """
    if version not in ("v1", "v2", "hybrid"):
        raise ConfigError(f"version {version!r}, want v1, v2 or hybrid")
    options = CreateOptions(
        version=version,  # type: ignore[arg-type]
        piece_length=piece_length,
        private=private,
        source=source,
        trackers=tuple(tier for tier in trackers if tier),
        webseeds=webseeds,
        comment=comment,
        created_by=f"axon {__version__}",
        creation_date=int(time.time()),
    )
    sources, places = list_sources(path, keep_links=keep_links)
    total = sum(one.length for one in sources)
    followed = sum(place.is_symlink() and one.target is None for one, place in zip(sources, places))
    with _progress(f"hashing {path.name}", total) as progress:
        data = make_torrent(path, options, keep_links=keep_links, progress=progress)
    metainfo = parse_torrent(data)  # what we cannot read nobody should get
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        aside.write_bytes(data)
        aside.replace(output)
    except OSError as error:
        aside.unlink(missing_ok=True)
        refused(error, "write", str(output), len(data))
    if followed and path.is_dir():
        print(
            f"note: {followed} links were put in as the files they lead to; links in a download folder "
            "are not followed, so seed from a copy of it",
            file=sys.stderr,
        )
    if as_json:
        _print_json({"torrent": str(output), **describe(metainfo, files=False)})
    else:
        names = [one.hex() for one in (metainfo.info_hash, metainfo.info_hash_v2) if one]
        print(
            f"{output}: {metainfo.version}, {metainfo.length} bytes in {metainfo.num_pieces} pieces, "
            f"info-hash {' and '.join(names)}"
        )
    return 0


def run_show(torrent: Path, *, as_json: bool = False) -> int:
    """Print what a .torrent says; return the exit code.

    Raises
    ------
    ConfigError, MetainfoError
        If it cannot be read, or is no torrent.
    """
    metainfo = _load(torrent)
    about = describe(metainfo)
    if as_json:
        _print_json(about)
        return 0
    from rich.table import Table

    console = _console()
    table = Table.grid(padding=(0, 2))
    for key, value in about.items():
        if key in ("files", "magnet") or value in (None, [], False):
            continue
        if key == "length":
            value = f"{_size(value)} ({value} bytes)"
        elif key == "creation_date":
            value = _date(value)
        elif isinstance(value, list):
            value = "\n".join(" ".join(one) if isinstance(one, list) else str(one) for one in value)
        table.add_row(key.replace("_", " "), clean_lines(str(value)))
    console.print(table)
    files = Table("file", "size", "pieces", box=None, padding=(0, 2))
    for number, file in enumerate(metainfo.files):
        if not file.pad:
            extra = f" -> {'/'.join(file.symlink)}" if file.symlink else ""
            files.add_row(
                "/".join(file.path) + extra, _size(file.length), str(len(metainfo.file_pieces(number)))
            )
    console.print(files)
    print(about["magnet"])  # whole, however narrow the terminal: it is there to be copied
    return 0


def run_verify(torrent: Path, folder: Path, *, as_json: bool = False) -> int:
    """Hash the files in `folder`, print each one's state; return 0 if all are whole, else 1.

    Raises
    ------
    ConfigError, MetainfoError
        If the torrent cannot be read, or is none.
    """
    metainfo = _load(torrent)
    with _progress(f"verifying {metainfo.name}", metainfo.length) as progress:
        states = verify_files(metainfo, folder, progress=progress)
    complete = all(state.complete for state in states)
    if as_json:
        rows = [
            {
                "path": "/".join(state.path),
                "length": state.length,
                "size": state.size,
                "pieces": state.pieces,
                "good": state.good,
                "complete": state.complete,
                **({"problem": state.problem} if state.problem else {}),
            }
            for state in states
        ]
        _print_json({"complete": complete, "files": rows})
        return 0 if complete else 1
    from rich.table import Table

    table = Table("file", "size", "pieces", "state", box=None, padding=(0, 2))
    for state in states:
        table.add_row(
            "/".join(state.path), _size(state.length), f"{state.good}/{state.pieces}", _state(state)
        )
    _console().print(table)
    whole = sum(state.complete for state in states)
    print(f"{whole} of {len(states)} files are complete")
    return 0 if complete else 1


def describe(metainfo: Metainfo, *, files: bool = True) -> dict[str, Any]:
    """Return what `show --json` prints."""
    magnet = Magnet(
        metainfo.info_hash,
        metainfo.info_hash_v2,
        metainfo.name,
        tuple(url for tier in metainfo.trackers for url in tier),
        metainfo.webseeds,
    )
    about: dict[str, Any] = {
        "name": metainfo.name,
        "version": metainfo.version,
        "info_hash": metainfo.info_hash.hex() if metainfo.info_hash else None,
        "info_hash_v2": metainfo.info_hash_v2.hex() if metainfo.info_hash_v2 else None,
        "length": metainfo.length,
        "piece_length": metainfo.piece_length,
        "pieces": metainfo.num_pieces,
        "private": metainfo.private,
        "trackers": [list(tier) for tier in metainfo.trackers],
        "webseeds": list(metainfo.webseeds),
        "nodes": [f"{host}:{port}" for host, port in metainfo.nodes],
        "comment": metainfo.comment,
        "created_by": metainfo.created_by,
        "creation_date": metainfo.creation_date,
        "source": metainfo.source,
        "magnet": magnet.format(),
    }
    if files:
        about["files"] = [
            {
                "path": "/".join(file.path),
                "length": file.length,
                **({"executable": True} if file.executable else {}),
                **({"hidden": True} if file.hidden else {}),
                **({"symlink": "/".join(file.symlink)} if file.symlink else {}),
                **({"pieces_root": file.pieces_root.hex()} if file.pieces_root else {}),
            }
            for file in metainfo.files
            if not file.pad
        ]
    return about


def clean_lines(text: str) -> str:
    """Take control and bidi characters out of text by strangers, line by line."""
    return "\n".join(clean_text(line.encode()) for line in text.split("\n"))


def _load(path: Path) -> Metainfo:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TORRENT + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        return parse_torrent(data)
    except MetainfoError as error:
        raise MetainfoError(f"{path}: {error}") from error


@contextlib.contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(clean_lines(title), total=total)
        yield lambda size: bar.advance(task, size)


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 1000)


def _state(state: FileState) -> str:
    if state.complete:
        return "complete"
    if state.problem:
        return state.problem
    if state.size is None:
        return "missing"
    if state.size != state.length:
        return f"{state.size} bytes, want {state.length}"
    return f"{state.pieces - state.good} pieces differ"


def _size(length: int) -> str:
    from rich.filesize import decimal

    return decimal(length)


def _date(seconds: int) -> str:
    """A torrent may hold any number here."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=True))
