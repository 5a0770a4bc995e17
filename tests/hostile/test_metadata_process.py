"""HOSTILE 5, 16, 28: magnet links whose metadata is a trap, and files that change under a seed."""

import socket
import struct
from hashlib import sha1
from pathlib import Path

import pytest

from axon.bt.bencode import encode
from axon.bt.extended import ExtendedHandshake
from axon.bt.handshake import Handshake, Reserved
from axon.bt.metadata import MetadataMessage, MetadataUpload
from axon.ids import InfoHash, PeerId
from tests.hostile.attackers import answering, frame, resident
from tests.interop.peers import download, ours, seed
from tests.peer.swarming import make_file, make_torrent


def exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise OSError("gone")
        data += part
    return data


def serving(info: bytes, info_hash: bytes, claimed: int | None = None):
    """A peer that hands out `info`, whatever it is."""

    def serve(sock: socket.socket) -> None:
        exactly(sock, 68)
        reserved = Reserved.FAST | Reserved.EXTENDED
        sock.sendall(
            Handshake(
                InfoHash(info_hash), PeerId(b"-XX0000-%012d" % (id(sock) % 10**12)), reserved
            ).serialize()
        )
        told = ExtendedHandshake({"ut_metadata": 9}, metadata_size=claimed or len(info))
        sock.sendall(frame(20, b"\0" + told.serialize()) + frame(15))
        upload, theirs = MetadataUpload(info), 1
        while True:
            (length,) = struct.unpack(">I", exactly(sock, 4))
            body = exactly(sock, length)
            if body[:2] == b"\x14\0":
                theirs = ExtendedHandshake.parse(body[2:]).extensions.get("ut_metadata", 1)
            elif body[:2] == b"\x14\x09" and (asked := MetadataMessage.parse(body[2:])) is not None:
                sock.sendall(frame(20, bytes([theirs]) + upload.answer(asked).serialize()))

    return serve


GOOD = {b"name": b"x", b"piece length": 16384, b"pieces": bytes(20), b"length": 5}
TRAPS = {
    "no dictionary": b"le",
    "no bencode": b"x" * 40_000,
    "deep": b"l" * 100_000,
    "piece length 0": encode(GOOD | {b"piece length": 0}),
    "too few pieces": encode(GOOD | {b"length": 1 << 40}),
    "a size past 2^63": encode(GOOD | {b"length": 2**64 - 1}),
    "v2 of too many pieces": encode(
        {
            b"name": b"x",
            b"piece length": 16384,
            b"meta version": 2,
            b"file tree": {b"x": {b"": {b"length": 2**62, b"pieces root": b"\1" * 32}}},
            b"pieces": b"",
            b"length": 2**62,
        }
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_metadata_that_is_what_the_link_says_and_yet_no_torrent_is_one_clear_line(
    name: str, tmp_path: Path
) -> None:
    info = TRAPS[name]
    info_hash = sha1(info).digest()
    with answering(serving(info, info_hash)) as port:
        link = f"magnet:?xt=urn:btih:{info_hash.hex()}&x.pe=127.0.0.1:{port}"
        with download(link, tmp_path / "d", tmp_path / "b") as peer:
            assert peer.finish() == 1
            errors = peer.process.stderr.read()
            assert "Traceback" not in errors and len(errors.strip().splitlines()) <= 1, errors


def test_liars_about_metadata_do_not_keep_the_honest_from_giving_it(tmp_path: Path) -> None:
    content = make_file(tmp_path / "s", 300_000)
    torrent = make_torrent(content, tmp_path / "t")
    info = torrent.read_bytes()[len(b"d4:info") : -1]
    info_hash = sha1(info).digest()
    forged = bytes(len(info))
    with (
        answering(serving(forged, info_hash)) as one,
        answering(serving(b"x" * 200_000, info_hash)) as two,
        answering(serving(forged, info_hash, 60 << 20)) as three,
        seed(torrent, tmp_path / "s", tmp_path / "a") as source,
    ):
        peers = "".join(f"&x.pe=127.0.0.1:{port}" for port in (one, two, three, source.port))
        link = f"magnet:?xt=urn:btih:{info_hash.hex()}{peers}"
        with download(link, tmp_path / "d", tmp_path / "b") as peer:
            peer.wait_for("complete")
            assert resident(peer.process.pid) < 160 << 20
            assert peer.finish() == 0, peer.process.stderr.read()
    assert (tmp_path / "d" / "file.bin").read_bytes() == content.read_bytes()


@pytest.mark.parametrize("change", ["cut", "gone", "folder", "wrong"])
def test_a_seed_whose_files_change_underneath_does_no_harm(change: str, tmp_path: Path) -> None:
    content = make_file(tmp_path / "s", 1 << 20)
    torrent = make_torrent(content, tmp_path / "t")
    right = content.read_bytes()
    good = make_file(tmp_path / "good", 1 << 20)
    assert good.read_bytes() == right
    with (
        ours(
            "seed", torrent, "--dir", tmp_path / "s", "--listen", "127.0.0.1:0", data=tmp_path / "a"
        ) as broken,
        seed(torrent, tmp_path / "good", tmp_path / "c") as source,
    ):
        broken.wait_for("added")
        source.wait_for("added")
        match change:
            case "cut":
                with content.open("r+b") as file:
                    file.truncate(1000)
            case "gone":
                content.unlink()
            case "folder":
                content.unlink()
                content.mkdir()
            case "wrong":
                content.write_bytes(bytes(1 << 20))
        to = ("--peer", f"127.0.0.1:{broken.port}", "--peer", f"127.0.0.1:{source.port}")
        with download(torrent, tmp_path / "d", tmp_path / "b", *to) as peer:
            assert peer.finish() == 0, peer.process.stderr.read()
        assert (tmp_path / "d" / "file.bin").read_bytes() == right
        # It says what is wrong, and ends, or goes on with what is right.
        broken.process.terminate()
        assert broken.finish() in (0, 1)
        assert "Traceback" not in broken.process.stderr.read()
