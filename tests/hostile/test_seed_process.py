"""HOSTILE 11-19: a seed as a process, attacked with raw sockets while an honest peer downloads from it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from axon.bt import parse_torrent
from axon.bt.extended import ExtendedHandshake
from axon.bt.messages import Request, to_frame
from axon.peer.gossip import EXTENSIONS
from tests.hostile.attackers import Attacker, frame, resident
from tests.interop.peers import Ours, download, seed
from tests.peer.swarming import make_file, make_torrent

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads memory from /proc")

SIZE, PIECE = 8 << 20, 1 << 18
GROWTH = 48 << 20  # bytes that all attacks of a test together may cost


class Attacked(NamedTuple):
    peer: Ours
    torrent: Path
    content: Path
    info_hash: bytes

    def attack(self, peer_id: bytes = b"-XX0000-attacker....") -> Attacker:
        return Attacker(self.peer.port, self.info_hash, peer_id)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("seed")
    content = make_file(folder / "s", SIZE)
    torrent = make_torrent(content, folder / "t.torrent", piece=PIECE)
    found = parse_torrent(torrent.read_bytes())
    assert found.info_hash is not None
    with seed(torrent, folder / "s", folder / "data") as peer:
        peer.wait_for("added")
        yield Attacked(peer, torrent, content, found.info_hash)
        assert peer.stop() == 0


def still_serves(it: Attacked, folder: Path) -> None:
    """An honest peer gets everything."""
    with download(it.torrent, folder / "d", folder / "data", "--peer", f"127.0.0.1:{it.peer.port}") as peer:
        assert peer.finish() == 0, peer.process.stderr.read()
    assert (folder / "d" / "file.bin").read_bytes() == it.content.read_bytes()


EXTENDED = frame(20, b"\0" + ExtendedHandshake(EXTENSIONS).serialize())
HAVE_NONE, INTERESTED = frame(15), frame(2)

# Each of these must be hung up on.
ATTACKS = {
    "a prefix of four gigabytes": b"\xff\xff\xff\xff",
    "a piece of four gigabytes": b"\xff\xff\xff\xff\x07",
    "a bitfield of another size": frame(5, bytes(1000)),
    "spare bits set": frame(5, b"\xff\xff\xff\xff\xff"),
    "an unknown message": frame(99, bytes(10)),
    "a have beyond the end": HAVE_NONE + frame(4, b"\xff" * 4),
    "have-none too late": HAVE_NONE + frame(15),
    "a request beyond the end": HAVE_NONE + INTERESTED + to_frame(Request(31, PIECE, 16384)),
    "a request of a piece that is not": HAVE_NONE + INTERESTED + to_frame(Request(32, 0, 16384)),
    "a request of no length": HAVE_NONE + INTERESTED + to_frame(Request(0, 0, 0)),
    "a request of a megabyte": HAVE_NONE + INTERESTED + to_frame(Request(0, 0, 1 << 20)),
    "a flood of requests while choked": HAVE_NONE + to_frame(Request(9, 0, 16384)) * 40_000,
    "a reject of nothing": HAVE_NONE + frame(16, bytes(12)),
    "a flood of blocks": HAVE_NONE + frame(7, bytes(8 + 64)) * 2000,
    "flapping": HAVE_NONE + (frame(2) + frame(3)) * 1000,
    "hashes of a v1 torrent": HAVE_NONE + frame(21, bytes(48)),
    "an extension handshake that is a list": frame(20, b"\0le"),
    "an extension handshake that is deep": frame(20, b"\0" + b"l" * 100_000),
    "an extension's id out of range": frame(20, b"\0d1:md6:ut_pexi300eee"),
    "an extension nobody announced": EXTENDED + frame(20, b"\x63x"),
    "a metadata size beyond belief": frame(20, b"\0d13:metadata_sizei99999999999ee"),
    "a flood of metadata requests": EXTENDED + frame(20, b"\1d8:msg_typei0e5:piecei0ee") * 3000,
    "a flood of peer exchange": EXTENDED + frame(20, b"\2d5:added6:\1\2\3\4\0\5e") * 100,
    "peer exchange of half an address": EXTENDED + frame(20, b"\2d5:added5:\1\2\3\4\5e"),
    "a receipt before the keys": EXTENDED + frame(20, b"\5\3" + bytes(236)),
    "an empty receipt message": EXTENDED + frame(20, b"\5"),
}

# Nothing comes of these.
IGNORED = {
    "metadata that nobody asked for": EXTENDED
    + frame(20, b"\1d8:msg_typei1e5:piecei0e10:total_sizei16384ee" + bytes(16384)) * 50,
    "keep-alives": bytes(4) * 100_000,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_who_breaks_the_protocol_is_dropped(attacked: Attacked, name: str) -> None:
    attacker = attacked.attack()
    attacker.send(ATTACKS[name])
    assert attacker.dropped()
    attacker.close()


def test_dropping_all_those_cost_no_memory_and_an_honest_peer_is_served(
    attacked: Attacked, tmp_path: Path
) -> None:
    before = resident(attacked.peer.process.pid)
    for data in (ATTACKS | IGNORED).values():
        attacker = attacked.attack()
        attacker.send(data)
        attacker.close()  # without reading what was said to it
    still_serves(attacked, tmp_path)
    assert resident(attacked.peer.process.pid) - before < GROWTH


def test_the_wrong_torrent_and_another_protocol_are_dropped(attacked: Attacked) -> None:
    for opening in (
        b"\x13BitTorrent protocol" + bytes(8) + b"z" * 40,
        # What is not BitTorrent may be encrypted, until the longest padding (MSE) has gone by.
        b"GET / HTTP/1.1\r\n\r\n" + bytes(700),
        b"\x13BitTorrent protocoI" + bytes(700),
        bytes(96),  # a public key of zero
        os.urandom(96 + 512 + 20),
    ):
        attacker = Attacker(attacked.peer.port, None)
        attacker.send(opening)
        assert attacker.dropped()
        attacker.close()


@pytest.mark.slow
def test_who_never_reads_or_says_half_holds_only_his_place(attacked: Attacked, tmp_path: Path) -> None:
    before = resident(attacked.peer.process.pid)
    crowd = []
    for k in range(8):
        deaf = attacked.attack(b"-XX0000-deaf%08d" % k)
        deaf.send(HAVE_NONE + INTERESTED)
        deaf.sock.settimeout(0.2)
        for _ in range(20):  # until its pipe is full, if it was unchoked
            deaf.send(b"".join(to_frame(Request(k, at * 16384, 16384)) for at in range(16)))
        crowd.append(deaf)
        half = attacked.attack(b"-XX0000-half%08d" % k)
        half.send(HAVE_NONE + frame(20, b"\0" + bytes(50_000))[:40_000])
        crowd.append(half)
        mute = attacked.attack(b"-XX0000-mute%08d" % k)
        mute.send(bytes(4) * 1000)
        crowd.append(mute)
    still_serves(attacked, tmp_path)
    assert resident(attacked.peer.process.pid) - before < GROWTH
    for attacker in crowd:
        attacker.close()


def test_silent_strangers_do_not_keep_the_honest_out(attacked: Attacked, tmp_path: Path) -> None:
    """All places for unfinished handshakes are taken, and taken again; whoever shakes hands gets in."""
    crowd = [Attacker(attacked.peer.port, None) for _ in range(200)]
    for k, attacker in enumerate(crowd):
        attacker.send(b"\x13BitTorrent protocol"[: k % 20])
    start = time.monotonic()
    still_serves(attacked, tmp_path)
    assert time.monotonic() - start < 18, "it waited until the handshakes timed out"
    for attacker in crowd:
        attacker.close()
