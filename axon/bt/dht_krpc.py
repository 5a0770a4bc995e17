"""KRPC, the messages of the DHT: one datagram to and from a frozen record (BEP 5, 32, 42, 43).

A query names a method; its answer, a `Reply` or a `Failure`, bears its transaction. Nodes and
peers travel packed: 26 or 38 bytes a node, 6 or 18 a peer, by address family. Extra keys of
other extensions are ignored. Who may ask what, and how much it is told, is `dht_answers.py`'s.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from axon.bt.bencode import decode
from axon.bt.dht_id import ID_SIZE, NodeId
from axon.errors import BencodeError, RemoteProtocolError

__all__ = [
    "ANNOUNCE_PEER",
    "FIND_NODE",
    "GET_PEERS",
    "PING",
    "Address",
    "BadQuery",
    "Contact",
    "ErrorCode",
    "Failure",
    "Query",
    "Reply",
    "pack_address",
    "pack_contact",
    "parse_krpc",
    "unpack_addresses",
    "unpack_contacts",
]

Address = tuple[str, int]  # IP literal, port
PING: Final = b"ping"
FIND_NODE: Final = b"find_node"
GET_PEERS: Final = b"get_peers"
ANNOUNCE_PEER: Final = b"announce_peer"

_MAX_ITEMS = 400  # values in one message: 200 peers are 1,600 bytes
_MAX_DEPTH = 8
_MAX_TRANSACTION = 32  # bytes; two are usual
_VERSION: Final = b"AX\x01\x00"
_PEER_HEAD: Final = {6: b"6:", 18: b"18:"}


class ErrorCode:
    """What a `Failure` says."""

    GENERIC: Final = 201
    SERVER: Final = 202
    PROTOCOL: Final = 203  # malformed, bad arguments, bad token
    UNKNOWN_METHOD: Final = 204


class Contact(NamedTuple):
    """A node: its id, and where it listens."""

    id: NodeId
    host: str
    port: int

    @property
    def address(self) -> Address:
        """IP literal and port."""
        return self.host, self.port


class BadQuery(RemoteProtocolError):
    """A query that cannot be answered, but has a transaction to say so."""

    def __init__(self, message: str, transaction: bytes) -> None:
        super().__init__(message)
        self.transaction = transaction


@dataclass(frozen=True, slots=True)
class Query:
    """A question; fields that its method does not use keep their defaults."""

    transaction: bytes
    method: bytes
    id: NodeId
    target: bytes = b""  # 20 bytes: a node id, or the info-hash of get_peers and announce_peer
    want: tuple[int, ...] = ()  # families of nodes wanted, 4 and 6 (BEP 32); none: that of the datagram
    token: bytes = b""
    port: int = 0
    implied_port: bool = False  # the peer's port is the datagram's source port
    read_only: bool = False  # the sender answers nothing: no node for the table (BEP 43)

    def serialize(self) -> bytes:
        """Return the datagram."""
        parts = [b"d1:ad2:id20:", self.id]
        if self.method == ANNOUNCE_PEER:
            parts += [b"12:implied_porti%de" % self.implied_port, b"9:info_hash20:", self.target]
            parts += [b"4:porti%de5:token" % self.port, _string(self.token)]
        elif self.method != PING:
            parts.append(b"9:info_hash20:" if self.method == GET_PEERS else b"6:target20:")
            parts.append(self.target)
            if self.want:
                parts.append(b"4:wantl" + b"".join(b"2:n%d" % family for family in self.want) + b"e")
        parts += [b"e1:q", _string(self.method)]
        if self.read_only:
            parts.append(b"2:roi1e")
        parts += [b"1:t", _string(self.transaction), b"1:v4:", _VERSION, b"1:y1:qe"]
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; what it says depends on the question.

    Nodes and peers stay packed: they are packed in the tables that they come from, too.
    """

    transaction: bytes
    id: NodeId
    nodes: bytes = b""  # 26 bytes each
    nodes6: bytes = b""  # 38 bytes each
    values: tuple[bytes, ...] = ()  # peers, 6 or 18 bytes each
    token: bytes | None = None  # to be shown with announce_peer
    seen_as: bytes = b""  # the asker's address and port as the answerer sees them (BEP 42)

    def serialize(self) -> bytes:
        """Return the datagram."""
        parts = [b"d"]
        if self.seen_as:
            parts += [b"2:ip", _string(self.seen_as)]
        parts += [b"1:rd2:id20:", self.id]
        if self.nodes:
            parts += [b"5:nodes", _string(self.nodes)]
        if self.nodes6:
            parts += [b"6:nodes6", _string(self.nodes6)]
        if self.token is not None:
            parts += [b"5:token", _string(self.token)]
        if self.values:
            parts += [b"6:valuesl", *[_PEER_HEAD[len(peer)] + peer for peer in self.values], b"e"]
        parts += [b"e1:t", _string(self.transaction), b"1:v4:", _VERSION, b"1:y1:re"]
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer, and why."""

    transaction: bytes
    code: int
    message: bytes

    def serialize(self) -> bytes:
        """Return the datagram."""
        parts = (b"d1:eli%de" % self.code, _string(self.message), b"e1:t", _string(self.transaction))
        return b"".join((*parts, b"1:v4:", _VERSION, b"1:y1:ee"))


def parse_krpc(data: bytes) -> Query | Reply | Failure:
    """Read a datagram.

    Raises
    ------
    BadQuery
        If it is a query with wrong arguments.
    RemoteProtocolError
        If it is no message of this protocol.
    """
    try:
        told = decode(data, max_depth=_MAX_DEPTH, max_items=_MAX_ITEMS, strict=False)
    except BencodeError as error:
        raise RemoteProtocolError(f"krpc: {error}") from None
    if not isinstance(told, dict):
        raise RemoteProtocolError(f"krpc: a {type(told).__name__}, want a dictionary")
    transaction = told.get(b"t")
    if not isinstance(transaction, bytes) or len(transaction) > _MAX_TRANSACTION:
        raise RemoteProtocolError(f"krpc: no transaction of at most {_MAX_TRANSACTION} bytes")
    kind = told.get(b"y")
    if kind == b"q":
        try:
            return _query(told, transaction)
        except RemoteProtocolError as error:
            raise BadQuery(str(error), transaction) from None
    if kind == b"r":
        return _reply(told, transaction)
    if kind == b"e":
        match told.get(b"e"):
            case [int(code), bytes(message), *_]:
                return Failure(transaction, code, message)
        return Failure(transaction, ErrorCode.GENERIC, b"")
    raise RemoteProtocolError(f"krpc: kind {kind!r}, want q, r or e")


def _query(told: dict[bytes, Any], transaction: bytes) -> Query:
    method, given = told.get(b"q"), told.get(b"a")
    if not isinstance(method, bytes) or not isinstance(given, dict):
        raise RemoteProtocolError("query: no method or no arguments")
    sender = NodeId(_sized(given, b"id"))
    read_only = told.get(b"ro") == 1
    if method == PING:
        return Query(transaction, method, sender, read_only=read_only)
    if method == ANNOUNCE_PEER:
        port, token = given.get(b"port", 0), given.get(b"token")
        implied = given.get(b"implied_port") not in (None, 0)
        if not isinstance(token, bytes):
            raise RemoteProtocolError("announce_peer: no token")
        if not isinstance(port, int) or not (implied or 0 < port < 65536):
            raise RemoteProtocolError(f"announce_peer: port {port!r}, want 1..65535")
        target = _sized(given, b"info_hash")
        port = port if 0 < port < 65536 else 0
        return Query(
            transaction, method, sender, target, (), token, port, implied_port=implied, read_only=read_only
        )
    # A method that we do not know, but that has a target, still gets the nodes near it: so other
    # extensions' lookups (BEP 44, 51) pass through us.
    key = b"target" if method == FIND_NODE or b"target" in given else b"info_hash"
    target = _sized(given, key) if method in (FIND_NODE, GET_PEERS) or key in given else b""
    want = given.get(b"want")
    families = tuple(f for f, n in ((4, b"n4"), (6, b"n6")) if isinstance(want, list) and n in want)
    return Query(transaction, method, sender, target, families, read_only=read_only)


def _reply(told: dict[bytes, Any], transaction: bytes) -> Reply:
    given = told.get(b"r")
    if not isinstance(given, dict):
        raise RemoteProtocolError("reply: no values")
    found = {}
    for key, size in ((b"nodes", 26), (b"nodes6", 38)):
        packed = given.get(key, b"")
        if not isinstance(packed, bytes) or len(packed) % size:
            raise RemoteProtocolError(f"reply: {key.decode()} are no multiple of {size} bytes")
        found[key] = packed
    values, token, seen_as = given.get(b"values"), given.get(b"token"), told.get(b"ip")
    peers = values if isinstance(values, list) else ()
    return Reply(
        transaction,
        NodeId(_sized(given, b"id")),
        found[b"nodes"],
        found[b"nodes6"],
        tuple(peer for peer in peers if isinstance(peer, bytes) and len(peer) in (6, 18)),
        token if isinstance(token, bytes) and len(token) <= 255 else None,
        seen_as if isinstance(seen_as, bytes) and len(seen_as) in (6, 18) else b"",
    )


def _sized(given: dict[bytes, Any], key: bytes) -> bytes:
    value = given.get(key)
    if not isinstance(value, bytes) or len(value) != ID_SIZE:
        raise RemoteProtocolError(f"krpc: {key.decode()} {value!r:.60}, want {ID_SIZE} bytes")
    return value


def _string(data: bytes) -> bytes:
    return b"%d:%b" % (len(data), data)


def pack_address(address: Address) -> bytes:
    """Return 6 or 18 bytes.

    Raises
    ------
    OSError
        If the host is no IP literal.
    """
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.inet_pton(family, host) + port.to_bytes(2, "big")


def pack_contact(contact: Contact) -> bytes:
    """Return 26 or 38 bytes."""
    return contact.id + pack_address(contact.address)


def unpack_addresses(packed: Iterable[bytes]) -> list[Address]:
    """Read peers of 6 or 18 bytes each; others are left out."""
    found = []
    for one in packed:
        if len(one) == 6:
            found.append((socket.inet_ntop(socket.AF_INET, one[:4]), int.from_bytes(one[4:], "big")))
        elif len(one) == 18:
            found.append((socket.inet_ntop(socket.AF_INET6, one[:16]), int.from_bytes(one[16:], "big")))
    return found


def unpack_contacts(packed: bytes, family: int) -> list[Contact]:
    """Read nodes of 26 bytes (family 4) or 38 (family 6); a rest that is no whole node is left out."""
    size = 26 if family == 4 else 38
    nodes = [packed[at : at + size] for at in range(0, len(packed) - size + 1, size)]
    places = unpack_addresses(node[ID_SIZE:] for node in nodes)
    return [Contact(NodeId(node[:ID_SIZE]), *place) for node, place in zip(nodes, places)]
