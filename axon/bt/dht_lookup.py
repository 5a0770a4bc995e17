"""One search of the DHT for the nodes nearest to an id, as a state machine (BEP 5, Kademlia §2.3).

Three questions are under way at any time; each answer names nearer nodes, until the eight
nearest that answer at all have answered. One that takes long no longer counts as under way, but
its answer does. Who sends, and who knows the time, is `dht_node.py`.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address

from axon.bt.dht_id import NodeId, is_exempt
from axon.bt.dht_krpc import Address, Contact
from axon.bt.dht_table import K

__all__ = ["ALPHA", "Lookup"]

ALPHA = 3  # questions under way
_MAX_KNOWN = 128  # nodes kept in mind, the nearest ones
_MAX_ASKED = 256  # questions; a liar could name nearer and nearer nodes for ever
_FAR = 1 << 160  # the distance of who has no id yet


class _State(Enum):
    NEW = 0
    ASKED = 1
    SLOW = 2
    ANSWERED = 3
    FAILED = 4


@dataclass(slots=True, eq=False)
class _Node:
    distance: int
    address: Address
    id: NodeId | None
    state: _State = _State.NEW
    token: bytes | None = field(default=None)


class Lookup:
    """Searches for `target`.

    Parameters
    ----------
    target : bytes
        A node id or an info-hash.
    known : iterable of Contact
        Where to begin.
    routers : iterable of Address
        Nodes without a known id, asked when there are too few others.

    Attributes
    ----------
    asked : int
        Questions so far.
    """

    def __init__(self, target: bytes, known: Iterable[Contact], routers: Iterable[Address] = ()) -> None:
        self.target = target
        self.asked = 0
        self._number = int.from_bytes(target, "big")
        self._nodes: list[_Node] = []  # nearest first
        self._by_address: dict[Address, _Node] = {}
        self._hosts: set[str] = set()  # of nodes; one each, without local ones
        self._in_flight = 0
        self.heard_of(known)
        for address in routers:
            self._add(_Node(_FAR, address, None))

    def heard_of(self, contacts: Iterable[Contact]) -> None:
        """Take nodes into account."""
        for contact in contacts:
            distance = int.from_bytes(contact.id, "big") ^ self._number
            self._add(_Node(distance, contact.address, contact.id))

    def next(self) -> tuple[Address, NodeId | None] | None:
        """Return whom to ask now, None if nobody; call until None."""
        if self._in_flight >= ALPHA or self.asked >= _MAX_ASKED:
            return None
        nearest = 0
        for node in self._nodes:
            if node.state is _State.NEW:
                node.state = _State.ASKED
                self.asked += 1
                self._in_flight += 1
                return node.address, node.id
            nearest += node.state is _State.ANSWERED
            if nearest == K:
                return None  # nobody further away can matter
        return None

    def slow(self, address: Address) -> None:
        """It is late: another may be asked meanwhile."""
        node = self._by_address.get(address)
        if node is not None and node.state is _State.ASKED:
            node.state = _State.SLOW
            self._in_flight -= 1

    def failed(self, address: Address) -> None:
        """It did not answer, or not sensibly."""
        node = self._by_address.get(address)
        if node is not None and self._over(node):
            node.state = _State.FAILED

    def answered(self, contact: Contact, token: bytes | None) -> None:
        """It answered; what it named is told by `heard_of`. Another id than it was known by is a failure."""
        node = self._by_address.get(contact.address)
        if node is None or not self._over(node):
            return
        if node.id is None:
            self._nodes.remove(node)
            node.id, node.distance = contact.id, int.from_bytes(contact.id, "big") ^ self._number
            insort(self._nodes, node, key=_order)
        node.state = _State.ANSWERED if node.id == contact.id else _State.FAILED
        node.token = token

    @property
    def done(self) -> bool:
        """Have the nearest answered, or is there nobody left to ask?"""
        nearest = 0
        for node in self._nodes:
            if node.state in (_State.ASKED, _State.SLOW):
                return False
            if node.state is _State.NEW and self.asked < _MAX_ASKED:
                return False
            nearest += node.state is _State.ANSWERED
            if nearest == K:
                break
        return True

    def closest(self) -> list[tuple[Contact, bytes | None]]:
        """Return the eight nearest that answered, nearest first, with their tokens."""
        found = [node for node in self._nodes if node.state is _State.ANSWERED][:K]
        return [(Contact(node.id, *node.address), node.token) for node in found if node.id is not None]

    def _over(self, node: _Node) -> bool:
        """Its question is answered or given up; False if it was none."""
        if node.state is _State.ASKED:
            self._in_flight -= 1
        return node.state in (_State.ASKED, _State.SLOW)

    def _add(self, node: _Node) -> None:
        host = node.address[0]
        if node.address in self._by_address or host in self._hosts:
            return
        if len(self._nodes) >= _MAX_KNOWN:
            # The furthest goes, unless its answer is awaited; a newcomer still further away does not come.
            last = self._nodes[-1]
            if last.state in (_State.ASKED, _State.SLOW) or node.distance >= last.distance:
                return
            self._nodes.pop()
            del self._by_address[last.address]
            self._hosts.discard(last.address[0])
        insort(self._nodes, node, key=_order)
        self._by_address[node.address] = node
        if not is_exempt(ip_address(host)):
            self._hosts.add(host)


def _order(node: _Node) -> tuple[int, Address]:
    return node.distance, node.address
