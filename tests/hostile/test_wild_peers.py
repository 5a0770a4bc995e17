"""HOSTILE 13-19: peers who say anything, allowed or not, in any order, to whole processes.

What breaks the protocol may cost the connection; nothing may end the process or spoil what it downloads.
"""

import contextlib
import random
import socket
import struct
import time
from pathlib import Path

import pytest

from axon.bt import messages as msg
from axon.bt import parse_torrent
from axon.bt.extended import ExtendedHandshake
from axon.bt.handshake import Handshake, Reserved
from axon.ids import InfoHash, PeerId
from axon.peer.gossip import EXTENSIONS
from tests.hostile.attackers import frame
from tests.interop.peers import Ours, download, seed
from tests.peer.swarming import make_file, make_torrent

PIECE, PIECES = 1 << 15, 24
SIZE = PIECES * PIECE - 5000


class Wild:
    """One connection of somebody with the file, but without manners; from an address of its own."""

    def __init__(self, port: int, info_hash: bytes, content: bytes, chance: random.Random) -> None:
        self.content, self.chance = content, chance
        self.sock = socket.socket()
        self.sock.bind((f"127.{chance.randint(1, 250)}.{chance.randint(0, 250)}.{chance.randint(1, 250)}", 0))
        self.sock.settimeout(0.02)
        self.sock.connect(("127.0.0.1", port))
        reserved = Reserved.NONE
        for bit in (Reserved.FAST, Reserved.EXTENDED, Reserved.EXTENDED):
            if chance.random() < 0.8:
                reserved |= bit
        peer_id = PeerId(b"-XX0000-" + chance.randbytes(12))
        self.sock.sendall(Handshake(InfoHash(info_hash), peer_id, reserved).serialize())
        self.buffer = b""
        self.greeted = False
        self.asked: list[tuple[int, int, int]] = []

    def listen(self) -> None:
        """Note what it asks of us."""
        with contextlib.suppress(TimeoutError):
            part = self.sock.recv(1 << 16)
            if not part:
                raise ConnectionError
            self.buffer += part
        if not self.greeted and len(self.buffer) >= 68:
            self.buffer, self.greeted = self.buffer[68:], True
        while self.greeted and len(self.buffer) >= 4:
            (length,) = struct.unpack_from(">I", self.buffer)
            if len(self.buffer) < 4 + length:
                return
            body, self.buffer = self.buffer[4 : 4 + length], self.buffer[4 + length :]
            if body[:1] == b"\6":
                self.asked.append(struct.unpack(">III", body[1:]))

    def say(self) -> bytes:
        """Something."""
        chance = self.chance
        index = chance.randrange(PIECES)
        request = (index, chance.choice([0, 16384]), 16384)
        choices = [
            lambda: frame(0),
            lambda: frame(1),
            lambda: frame(1),
            lambda: frame(2),
            lambda: frame(3),
            lambda: msg.to_frame(msg.Have(index)),
            lambda: frame(14),
            lambda: frame(5, chance.choice([b"\xff\xff\xff", b"\x80\x10\x01", chance.randbytes(3)])),
            lambda: msg.to_frame(msg.Request(*request)),
            lambda: msg.to_frame(msg.Request(*request)) * 5,
            lambda: msg.to_frame(msg.Cancel(*request)),
            lambda: msg.to_frame(msg.Suggest(index)),
            lambda: msg.to_frame(msg.AllowedFast(index)),
            lambda: frame(
                20,
                b"\0"
                + ExtendedHandshake(
                    self.names(),
                    reqq=chance.choice([1, 250, 9999]),
                    upload_only=chance.choice([None, True, False]),
                    metadata_size=500,
                ).serialize(),
            ),
            lambda: frame(20, bytes([EXTENSIONS["lt_donthave"]]) + index.to_bytes(4, "big")),
            lambda: frame(20, bytes([EXTENSIONS["upload_only"], chance.randrange(2)])),
            lambda: frame(
                20, bytes([EXTENSIONS["ut_metadata"]]) + b"d8:msg_typei%de5:piecei0ee" % chance.randrange(3)
            ),
            lambda: frame(20, bytes([EXTENSIONS["ut_pex"]]) + b"d5:added6:\x7f\0\0\1\0\x09e"),
            lambda: frame(
                20,
                bytes([EXTENSIONS["axon"], chance.randrange(7)])
                + chance.randbytes(chance.choice([4, 13, 101])),
            ),
            lambda: bytes(4),
            self.answer,
            self.answer,
            self.answer,
            self.answer,
        ]
        return chance.choice(choices)()

    def names(self) -> dict[str, int]:
        return {name: self.chance.choice([0, 1, 7, 255]) for name in EXTENSIONS if self.chance.random() < 0.7}

    def answer(self) -> bytes:
        """The block that it asked for, or nearly."""
        if not self.asked:
            return b""
        index, begin, length = self.asked.pop(self.chance.randrange(len(self.asked)))
        at = index * PIECE + begin
        match self.chance.randrange(20):
            case 0:
                return msg.to_frame(msg.Piece(index, begin, self.chance.randbytes(length)))
            case 1:
                return msg.to_frame(msg.Piece(index, begin, self.content[at : at + length][:-1] or b"x"))
            case 2:
                return msg.to_frame(msg.Reject(index, begin, length))
            case 3:
                return b""
        block = msg.to_frame(msg.Piece(index, begin, self.content[at : at + length]))
        return block * self.chance.choice([1, 1, 1, 1, 2])

    def live(self, words: int) -> None:
        with contextlib.suppress(OSError):
            for _ in range(words):
                self.sock.sendall(b"".join(self.say() for _ in range(self.chance.randint(1, 6))))
                self.listen()
        self.sock.close()


def storm(peer: Ours, torrent: Path, content: bytes, chance: random.Random, lives: int) -> None:
    info_hash = parse_torrent(torrent.read_bytes()).info_hash
    assert info_hash is not None
    for _ in range(lives):
        with contextlib.suppress(OSError):
            Wild(peer.port, info_hash, content, chance).live(chance.randint(1, 40))
        if peer.process.poll() is not None:
            return


@pytest.fixture
def chance() -> random.Random:
    number = random.SystemRandom().randrange(1 << 32)
    print(f"seed of the storm: {number}")
    return random.Random(number)


def test_a_seed_outlives_wild_peers(tmp_path: Path, chance: random.Random, lives: int = 50) -> None:
    content = make_file(tmp_path / "s", SIZE)
    torrent = make_torrent(content, tmp_path / "t", piece=PIECE)
    with seed(torrent, tmp_path / "s", tmp_path / "a") as peer:
        peer.wait_for("added")
        storm(peer, torrent, content.read_bytes(), chance, lives)
        assert peer.process.poll() is None, peer.process.stderr.read()
        with download(torrent, tmp_path / "d", tmp_path / "b", "--peer", f"127.0.0.1:{peer.port}") as honest:
            assert honest.finish() == 0, honest.process.stderr.read()
        assert peer.stop() == 0


def test_a_download_from_wild_peers_alone_is_right_once_complete(
    tmp_path: Path, chance: random.Random, lives: int = 50
) -> None:
    content = make_file(tmp_path / "s", SIZE)
    torrent = make_torrent(content, tmp_path / "t", piece=PIECE)
    with download(torrent, tmp_path / "d", tmp_path / "b", "--seed") as peer:
        peer.wait_for("added")
        storm(peer, torrent, content.read_bytes(), chance, lives)
        assert peer.process.poll() is None, peer.process.stderr.read()
        with seed(torrent, tmp_path / "s", tmp_path / "a", "--peer", f"127.0.0.1:{peer.port}"):
            start = time.monotonic()
            peer.wait_for("complete", timeout=40)
            assert time.monotonic() - start < 40
        assert peer.stop() == 0
    assert (tmp_path / "d" / "file.bin").read_bytes() == content.read_bytes()


def test_a_peer_that_loses_what_it_had_is_not_asked_for_it(tmp_path: Path) -> None:
    """To ask all the same was our own bug, and ended the program (BEP 54)."""
    content = make_file(tmp_path / "s", SIZE)
    torrent = make_torrent(content, tmp_path / "t", piece=PIECE)
    info_hash = parse_torrent(torrent.read_bytes()).info_hash
    assert info_hash is not None
    with download(torrent, tmp_path / "d", tmp_path / "b", "--seed") as peer:
        peer.wait_for("added")
        wild = Wild(peer.port, info_hash, content.read_bytes(), random.Random(4))
        wild.sock.settimeout(2)
        told = frame(20, b"\0" + ExtendedHandshake(EXTENSIONS).serialize())
        lost = b"".join(
            frame(20, bytes([EXTENSIONS["lt_donthave"]]) + index.to_bytes(4, "big"))
            for index in range(PIECES - 1)
        )
        wild.sock.sendall(frame(14) + told + lost + frame(1))
        while not wild.asked:
            wild.listen()
        assert {index for index, _, _ in wild.asked} == {PIECES - 1}
        with seed(torrent, tmp_path / "s", tmp_path / "a", "--peer", f"127.0.0.1:{peer.port}"):
            peer.wait_for("complete")
        assert peer.stop() == 0
