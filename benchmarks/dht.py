"""Time a DHT node's answers: python benchmarks/dht.py [--quick] [--json FILE]

One node with a full table and a torrent of 500 peers, fed with datagrams, no socket: microseconds of one
core for each query (median and best of several rounds), and the bytes of its answer. A stranger is told
less than who has answered us before.
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from axon.bt.dht_krpc import ANNOUNCE_PEER, FIND_NODE, GET_PEERS, PING, Address, Contact, Query, parse_krpc
from axon.bt.dht_limits import Limits
from axon.bt.dht_node import DhtNode

STRANGER: Address = ("8.8.8.8", 1234)
NOW = 1.0


def busy_node(rng: random.Random, torrent: bytes) -> DhtNode:
    """A node without limits that knows eighty others, and 500 peers of a torrent."""
    free = Limits(0.0, rate=1e9, burst=1e9, bytes_per_second=1e12)
    node = DhtNode(4, random.SystemRandom(), 0.0, limits=free)
    for k in range(4000):
        node.table.answered(Contact(rng.randbytes(20), f"20.{k // 256}.{k % 256}.7", 6881), 0.0)  # type: ignore[arg-type]
    for _ in range(500):
        node.answers.store.add(torrent, rng.randbytes(6), 0.0)
    return node


def measure(count: int, rounds: int) -> list[dict[str, object]]:
    """Time each kind of query `count` times in each round."""
    rng = random.Random(1)
    torrent, sender = rng.randbytes(20), rng.randbytes(20)
    node = busy_node(rng, torrent)
    proven = next(iter(node.table)).contact.address

    def query(method: bytes, target: bytes = b"", token: bytes = b"") -> bytes:
        return Query(b"aa", method, sender, target, (), token, 5).serialize()  # type: ignore[arg-type]

    node.receive(query(GET_PEERS, torrent), STRANGER, NOW)
    token = parse_krpc(node.datagrams()[0][0]).token  # type: ignore[union-attr]
    assert token is not None
    cases = (
        ("ping", query(PING), STRANGER),
        ("find_node", query(FIND_NODE, rng.randbytes(20)), STRANGER),
        ("get_peers, nodes alone", query(GET_PEERS, rng.randbytes(20)), STRANGER),
        ("get_peers, a stranger", query(GET_PEERS, torrent), STRANGER),
        ("get_peers, a known node", query(GET_PEERS, torrent), proven),
        ("announce_peer", query(ANNOUNCE_PEER, torrent, token), STRANGER),
    )
    rows: list[dict[str, object]] = []
    for name, data, source in cases:
        spent = []
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(count):
                node.receive(data, source, NOW)
                answer = node.datagrams()
            spent.append((time.perf_counter() - start) / count * 1e6)
            node.events()
        size = len(answer[0][0])
        rows.append(
            {
                "case": name,
                "us": round(statistics.median(spent), 1),
                "best_us": round(min(spent), 1),
                "query_bytes": len(data),
                "answer_bytes": size,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a second")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    rows = measure(*((500, 3) if args.quick else (5000, 9)))
    table = Table("query", "µs", "best", "bytes", "answer", title="A DHT node's answers")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
