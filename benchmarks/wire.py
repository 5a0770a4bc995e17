"""Nanoseconds that a `PeerConnection` spends on each block or request, beside a bare copy of the same bytes.

Run: python benchmarks/wire.py [--quick] [--json FILE]. One process, no socket:
a 256 KiB buffer full of piece messages is parsed again and again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from axon.bt.bitfield import Bitfield
from axon.bt.connection import PeerConnection
from axon.bt.handshake import Handshake, Reserved
from axon.bt.messages import BLOCK_SIZE, HaveAll, Interested, Request, Unchoke, to_frame
from axon.ids import InfoHash, PeerId

BLOCKS = 16  # in one buffer: 256 KiB
PIECES = 1 << 20


def connection(on_blocks: Callable[[int, int, Sequence[memoryview]], None] | None) -> PeerConnection:
    """One that has shaken hands with a seed and is unchoked by it."""
    conn = PeerConnection(
        info_hashes=[bytes(20)],
        peer_id=PeerId(b"-AX0100-------------"),
        outgoing=True,
        now=0.0,
        num_pieces=PIECES,
        on_blocks=on_blocks,
    )
    theirs = Handshake(InfoHash(bytes(20)), PeerId(b"-XX0000-------------"), Reserved.FAST)
    conn.receive(theirs.serialize() + to_frame(HaveAll()) + to_frame(Unchoke()) + to_frame(Interested()), 0.0)
    conn.have_set(Bitfield.full(PIECES))
    conn.unchoke()
    conn.data_to_send()
    return conn


def parse_blocks(rounds: int, *, callback: bool, copy: bool) -> float:
    """ns for each block received, requests included; the payload is copied out if `copy`."""
    sink = bytearray(BLOCK_SIZE)

    def take(index: int, begin: int, views: Sequence[memoryview]) -> None:
        if copy:
            for view in views:
                sink[:] = view

    conn = connection(take if callback else None)
    wire = bytearray(b"".join(conn.piece_header(0, 0, BLOCK_SIZE) + bytes(BLOCK_SIZE) for _ in range(BLOCKS)))
    blocks = [(0, i * BLOCK_SIZE, BLOCK_SIZE) for i in range(BLOCKS)]
    for i in range(BLOCKS):
        at = i * (BLOCK_SIZE + 13)
        wire[at : at + 13] = conn.piece_header(0, i * BLOCK_SIZE, BLOCK_SIZE)
    view = memoryview(wire)
    spent = 0
    for _ in range(rounds):
        start = time.perf_counter_ns()
        conn.request_many(blocks)
        conn.data_to_send()
        events = conn.receive(view, 1.0)
        if not callback and copy:
            for _, _, data in events:  # type: ignore[misc]
                sink[:] = data
        spent += time.perf_counter_ns() - start
    assert conn.blocks_received == rounds * BLOCKS
    return spent / rounds / BLOCKS


def answer_requests(rounds: int) -> float:
    """ns for each request received, queued, taken and given its header."""
    conn = connection(None)
    wire = b"".join(to_frame(Request(0, i * BLOCK_SIZE, BLOCK_SIZE)) for i in range(256))
    spent = 0
    for _ in range(rounds):
        start = time.perf_counter_ns()
        conn.receive(wire, 1.0)
        for index, begin, length in conn.next_requests(256):
            conn.piece_header(index, begin, length)
        spent += time.perf_counter_ns() - start
    return spent / rounds / 256


def bare_copy(rounds: int) -> float:
    """ns to copy one block, for scale."""
    sink, view = bytearray(BLOCK_SIZE), memoryview(bytes(BLOCK_SIZE * BLOCKS))
    start = time.perf_counter_ns()
    for _ in range(rounds):
        for i in range(BLOCKS):
            sink[:] = view[i * BLOCK_SIZE : (i + 1) * BLOCK_SIZE]
    return (time.perf_counter_ns() - start) / rounds / BLOCKS


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    args = parser.parse_args(argv)
    rounds = 1_000 if args.quick else 10_000
    rows = [
        {"case": "receive a block (callback)", "ns": parse_blocks(rounds, callback=True, copy=False)},
        {"case": "receive a block (events)", "ns": parse_blocks(rounds, callback=False, copy=False)},
        {"case": "receive a block and copy it", "ns": parse_blocks(rounds, callback=True, copy=True)},
        {"case": "bare copy of a block", "ns": bare_copy(rounds)},
        {"case": "receive a request, make its header", "ns": answer_requests(rounds // 10)},
    ]
    for row in rows:
        print(f"{row['case']:40s} {row['ns']:8.0f} ns")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
