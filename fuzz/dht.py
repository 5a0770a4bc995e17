"""Targets that read datagrams of the DHT (BEP 5, 32, 42, 43)."""

import random

from fuzz.target import Run, Target

__all__ = ["TARGETS"]

_ID, _HASH = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456"
_PEER = ("52.1.2.3", 6881)


def _krpc() -> Run:
    from axon.bt.dht_krpc import parse_krpc
    from axon.errors import RemoteProtocolError

    def run(data: bytes) -> None:
        try:
            message = parse_krpc(data)
        except RemoteProtocolError:
            return
        again = message.serialize()
        assert parse_krpc(again).serialize() == again

    return run


def _node() -> Run:
    """One datagram as a stranger's, and as the answer to each question of a search."""
    from axon.bt.dht_krpc import Contact, parse_krpc
    from axon.bt.dht_limits import UNPROVEN
    from axon.bt.dht_node import DhtNode

    def run(data: bytes) -> None:
        node = DhtNode(4, random.Random(1), 0.0)
        for k in range(10):
            node.table.answered(Contact(_ID[:-1] + bytes([k]), f"60.{k}.0.1", 5), 0.0)
        node.receive(data, _PEER, 1.0)
        for answer, to in node.datagrams():
            assert to == _PEER
            # An error names its transaction, which alone may be most of a tiny question.
            assert len(answer) <= max(UNPROVEN * len(data), 150)
        node.search(_HASH, 2.0, port=7000)
        for _ in range(3):
            for question, to in node.datagrams():
                transaction = parse_krpc(question).transaction
                node.receive(data.replace(b"1:t2:aa", b"1:t4:" + transaction), to, 2.5)
        node.on_deadline(4.0)
        node.on_deadline(99.0)
        assert len(node.table) <= 30

    return run


def _datagrams() -> list[bytes]:
    from axon.bt.dht_krpc import (
        ANNOUNCE_PEER,
        FIND_NODE,
        GET_PEERS,
        PING,
        Failure,
        Query,
        Reply,
        pack_address,
    )

    nodes = b"".join(bytes([k]) * 20 + pack_address((f"61.{k}.0.1", 5)) for k in range(8))
    return [
        Query(b"aa", PING, _ID).serialize(),
        Query(b"aa", FIND_NODE, _ID, _HASH, (4, 6), read_only=True).serialize(),
        Query(b"aa", GET_PEERS, _ID, _HASH).serialize(),
        Query(b"aa", ANNOUNCE_PEER, _ID, _HASH, (), b"tokentok", 6881, implied_port=True).serialize(),
        Query(b"aa", b"get", _ID, _HASH).serialize(),
        Reply(b"aa", _ID).serialize(),
        Reply(
            b"aa",
            _ID,
            nodes,
            b"",
            (pack_address(_PEER), pack_address(("::1", 5))),
            b"tokentok",
            b"\x34\1\2\3\0\5",
        ).serialize(),
        Failure(b"aa", 203, b"Protocol Error").serialize(),
    ]


_WORDS = (b"1:y1:q", b"1:y1:r", b"1:y1:e", b"2:id20:", b"4:wantl2:n42:n6e", b"6:valuesl", b"2:ip6:", b"1:rd")
_MODULES = ("axon.bt.dht_krpc", "axon.bt.dht_node", "axon.bt.dht_answers", "axon.bt.bencode")

TARGETS = (
    Target("krpc", _krpc, _datagrams, _MODULES, _WORDS),
    Target("dht_node", _node, _datagrams, _MODULES, _WORDS),
)
