"""`create`, `show` and `verify` as a user meets them."""

import json
import os
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from axon.bt import bencode
from axon.bt.create import CreateOptions
from axon.bt.metainfo import parse_torrent
from axon.errors import ConfigError, MetainfoError, StorageError
from axon.peer import hashing
from axon.peer.hashing import list_sources, make_torrent, verify_files
from axon.peer.torrents import run_create, run_show, run_verify


@pytest.fixture
def content(tmp_path: Path) -> Path:
    top = tmp_path / "content"
    (top / "sub").mkdir(parents=True)
    (top / "a.bin").write_bytes(os.urandom(70_000))
    (top / "sub/b").write_bytes(b"b" * 40_000)
    (top / "sub/empty").write_bytes(b"")
    (top / "run.sh").write_bytes(b"#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    return top


def json_of(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_what_was_created_verifies_until_a_byte_changes(
    content: Path, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torrent = content.parent / "t.torrent"
    assert run_create(content, torrent, version=version, piece_length=16384, as_json=True) == 0
    made = json_of(capsys)
    assert (made["version"], made["length"], made["torrent"]) == (version, 110_010, str(torrent))
    assert run_verify(torrent, content.parent, as_json=True) == 0
    report = json_of(capsys)
    assert report["complete"]
    assert len(report["files"]) == 4
    with (content / "sub/b").open("r+b") as file:
        file.seek(39_999)
        file.write(b"x")
    assert run_verify(torrent, content.parent, as_json=True) == 1
    broken = {row["path"]: row["complete"] for row in json_of(capsys)["files"]}
    assert not broken["content/sub/b"]
    assert broken["content/a.bin"]
    assert broken["content/sub/empty"]


def test_verify_says_what_is_wrong_with_each_file(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torrent = content.parent / "t.torrent"
    run_create(content, torrent, version="v2", piece_length=16384)
    (content / "a.bin").unlink()
    (content / "sub/b").write_bytes(b"b" * 20_000)
    (content / "sub/empty").unlink()
    (content / "run.sh").write_bytes(b"#!/bin/zsh")
    capsys.readouterr()
    assert run_verify(torrent, content.parent) == 1
    out = capsys.readouterr().out
    assert "missing" in out
    assert "20000 bytes, want 40000" in out
    assert "1 pieces differ" in out
    assert "0 of 4 files are complete" in out


def test_verify_in_an_empty_place_fails_and_makes_nothing(content: Path, tmp_path: Path) -> None:
    torrent = tmp_path / "t.torrent"
    run_create(content, torrent)
    assert run_verify(torrent, tmp_path / "nowhere") == 1
    assert not (tmp_path / "nowhere").exists()


def test_a_longer_file_is_not_complete(content: Path) -> None:
    metainfo = parse_torrent(make_torrent(content, CreateOptions()))
    with (content / "a.bin").open("ab") as file:
        file.write(b"more")
    states = {state.path[-1]: state.complete for state in verify_files(metainfo, content.parent)}
    assert states == {"a.bin": False, "b": True, "empty": True, "run.sh": True}


def test_show_prints_what_the_torrent_says_and_no_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = {"name": b"n\x1b[31m", "piece length": 16384, "pieces": bytes(20), "length": 5, "private": 1}
    outer = {"comment": b"red \x1b[31m \xe2\x80\xae", "announce": b"udp://t:1", "creation date": 1 << 60}
    raw = bencode.encode({"info": info, **outer})
    (tmp_path / "t").write_bytes(raw)
    assert run_show(tmp_path / "t") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "udp://t:1" in out
    assert parse_torrent(raw).info_hash.hex() in out  # type: ignore[union-attr]
    assert run_show(tmp_path / "t", as_json=True) == 0
    about = json_of(capsys)
    assert about["magnet"] in out.splitlines()  # in one piece
    assert about["private"] is True
    assert about["files"] == [{"path": "n_[31m", "length": 5}]
    assert about["magnet"].startswith("magnet:?xt=urn:btih:")


def test_every_option_of_create_arrives(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torrent = content.parent / "t.torrent"
    run_create(
        content / "a.bin",
        torrent,
        version="v1",
        trackers=(("http://a/ann", "udp://b:1"), (), ("udp://c:2",)),
        piece_length=32768,
        private=True,
        webseeds=("http://seed/",),
        comment="c",
        source="s",
    )
    capsys.readouterr()
    run_show(torrent, as_json=True)
    about = json_of(capsys)
    assert about["name"] == "a.bin"
    assert about["trackers"] == [["http://a/ann", "udp://b:1"], ["udp://c:2"]]
    assert (about["private"], about["source"], about["comment"]) == (True, "s", "c")
    assert about["webseeds"] == ["http://seed/"]
    assert about["piece_length"] == 32768


@pytest.mark.parametrize("path", ["missing", "fifo", "empty", "loop"])
def test_what_cannot_be_put_in_is_a_clear_error_and_leaves_no_file(tmp_path: Path, path: str) -> None:
    target = tmp_path / path
    if path == "fifo":
        os.mkfifo(target)
    elif path != "missing":
        target.mkdir()
        if path == "loop":
            (target / "again").symlink_to(target)
    with pytest.raises(ConfigError, match=path):
        run_create(target, tmp_path / "out.torrent")
    assert not (tmp_path / "out.torrent").exists()
    with pytest.raises(ConfigError):
        run_show(tmp_path / "missing")
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(MetainfoError, match="junk"):
        run_show(tmp_path / "junk")


def test_an_output_that_cannot_be_written_is_an_error(content: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        run_create(content, tmp_path / "no" / "such" / "folder.torrent")
    with pytest.raises(ConfigError, match="version"):
        run_create(content, tmp_path / "x", version="v3")


def test_a_file_that_shrinks_while_it_is_hashed_makes_no_torrent(
    content: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_THREADS", 1)

    def shrink(size: int) -> None:
        (content / "sub/b").write_bytes(b"")

    with pytest.raises(StorageError, match="changed meanwhile"):
        make_torrent(content, CreateOptions(piece_length=16384), progress=shrink)


def test_links_are_followed_with_a_note_or_kept(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (content / "link").symlink_to("a.bin")
    torrent = content.parent / "t.torrent"
    run_create(content, torrent, piece_length=16384)
    assert "1 links" in capsys.readouterr().err
    assert {file.length for file in parse_torrent(torrent.read_bytes()).files if file.path[-1] == "link"} == {
        70_000
    }
    run_create(content, torrent, piece_length=16384, keep_links=True)
    assert capsys.readouterr().err == ""
    links = [file.symlink for file in parse_torrent(torrent.read_bytes()).files if file.path[-1] == "link"]
    assert links == [("content", "a.bin")]
    assert run_verify(torrent, content.parent) == 0
    (content / "out").symlink_to("/etc/hostname")
    assert len(list_sources(content, keep_links=True)[0]) == 6


def test_names_that_are_not_utf_8_verify_in_place(tmp_path: Path) -> None:
    top = tmp_path / "content"
    top.mkdir()
    (top / os.fsdecode(b"\xff\xfe")).write_bytes(b"x" * 50_000)
    (top / "aux.c").write_bytes(b"y" * 50)
    metainfo = parse_torrent(make_torrent(top, CreateOptions()))
    assert all(state.complete for state in verify_files(metainfo, tmp_path))


@pytest.mark.interop
@pytest.mark.parametrize("version", ["v1", "v2", "hybrid"])
def test_libtorrent_finds_the_files_of_our_torrent_complete(content: Path, version: Any) -> None:
    raw = make_torrent(content, CreateOptions(version=version, piece_length=16384))
    session = lt.session({"listen_interfaces": "", "enable_dht": False, "enable_lsd": False, "alert_mask": 0})
    params = lt.load_torrent_buffer(raw)
    params.save_path = str(content.parent)
    handle = session.add_torrent(params)
    for _ in range(600):
        status = handle.status()
        if status.is_seeding or status.errc.value():
            break
        session.wait_for_alert(50)
        session.pop_alerts()
    assert status.is_seeding, f"{status.state} {status.progress}"
