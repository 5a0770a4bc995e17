"""A node of the DHT, pure: datagrams and `now` in; datagrams and events out (BEP 5, 32, 42, 43).

Use, by a shell that owns the socket of one address family::

    node.receive(data, (host, port), now)
    for data, address in node.datagrams(): socket.sendto(data, address)
    for event in node.events(): ...             # PeersFound, SearchDone, SeenAs
    node.deadline(); node.on_deadline(now)      # timeouts, upkeep of the table

IPv4 and IPv6 are two networks (BEP 32): two nodes, which tell each other of nodes. What is
answered to others is `dht_answers.py`'s; the table, searches and messages have their files.
"""

import random
import socket
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from axon.bt.dht_answers import Answers
from axon.bt.dht_events import DhtEvent, PeersFound, SearchDone, SeenAs
from axon.bt.dht_id import NodeId, bind_id, is_bound, random_id
from axon.bt.dht_krpc import (
    ANNOUNCE_PEER,
    FIND_NODE,
    GET_PEERS,
    PING,
    Address,
    BadQuery,
    Contact,
    ErrorCode,
    Failure,
    Query,
    Reply,
    parse_krpc,
    unpack_addresses,
    unpack_contacts,
)
from axon.bt.dht_limits import Limits
from axon.bt.dht_lookup import Lookup
from axon.bt.dht_questions import Question, Questions, Search
from axon.bt.dht_table import K, RoutingTable
from axon.bt.dht_trust import AddressVote, is_sane
from axon.errors import RemoteProtocolError

__all__ = ["DhtNode"]

_UPKEEP, _PINGS = 2.0, 4  # seconds between looks at the table; pings at each
_FIRST_BOOTSTRAP, _LAST_BOOTSTRAP = 4.0, 900.0  # seconds between attempts, doubling
_MAX_LOOKUPS = 16
_MAX_ROUTERS, _MAX_REMEMBERED = 32, 200
_MAX_TOLD = 100  # peers believed of one answer


class DhtNode:
    """One node, of one address family.

    Parameters
    ----------
    family : int
        4 or 6.
    rng : random.Random
        Of ids, transactions and secrets: nobody may guess them.
    now : float
        Seconds, any origin; never decreasing in later calls.
    node_id : NodeId, optional
        From an earlier run.
    read_only : bool
        Ask, but answer nobody (BEP 43).
    """

    def __init__(
        self,
        family: int,
        rng: random.Random,
        now: float,
        *,
        node_id: NodeId | None = None,
        read_only: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.family = family
        self.read_only = read_only
        self._rng = rng
        self._tables = {family: RoutingTable(node_id or random_id(rng))}
        self.answers = Answers(family, self._tables, rng, now, limits)
        self._sibling: DhtNode | None = None
        self._routers: dict[Address, None] = {}
        self._remembered: list[Contact] = []
        self._searches: list[Search] = []
        self._questions = Questions(rng)
        self._vote = AddressVote()
        self._out: list[tuple[bytes, Address]] = []
        self._events: list[DhtEvent] = []
        self._upkeep_at = now
        self._bootstrap_at, self._bootstrap_pause = now, _FIRST_BOOTSTRAP

    # -- what it is -----------------------------------------------------------------------------------------

    @property
    def id(self) -> NodeId:
        """Our id."""
        return self.table.own_id

    @property
    def table(self) -> RoutingTable:
        """Our routing table."""
        return self._tables[self.family]

    @property
    def knows_anybody(self) -> bool:
        """Is there any node to begin a search at?"""
        return bool(len(self.table) or self._routers or self._remembered)

    def pair(self, other: "DhtNode") -> None:
        """Make two nodes of different families tell of each other's nodes (BEP 32)."""
        for one, two in ((self, other), (other, self)):
            one._sibling = two
            one._tables[two.family] = two.table

    def contacts(self) -> list[Contact]:
        """Return nodes that are worth remembering until the next run."""
        here = [entry.contact for entry in self.table if not entry.is_bad]
        more = self._remembered if len(here) < 2 * K else []  # a short run knows less than the one before
        return list(dict.fromkeys(here + more))[:_MAX_REMEMBERED]

    # -- what we want ---------------------------------------------------------------------------------------

    def remember(self, contacts: Iterable[Contact], now: float) -> None:
        """Take nodes of an earlier run into account."""
        sane = [one for one in contacts if is_sane(one.address, self.family, local=True)]
        self._remembered = sane[:_MAX_REMEMBERED]
        self._bootstrap_soon(now)

    def add_router(self, address: Address, now: float) -> None:
        """Begin at this node, whose id we do not know."""
        if is_sane(address, self.family, local=True) and len(self._routers) < _MAX_ROUTERS:
            self._routers[address] = None
            self._bootstrap_soon(now)

    def ping(self, address: Address, now: float) -> None:
        """Ask a node whether it is there, and take it into the table if it is."""
        known = self.table.get(address) is not None or self._questions.awaits(address)
        if not known and is_sane(address, self.family, local=True):
            self._ask(Query(b"", PING, self.id), address, None, None, now)

    def search(self, info_hash: bytes, now: float, *, port: int | None = None) -> bool:
        """Look for peers of a torrent; and announce that we listen at `port`, if that is given.

        Returns
        -------
        bool
            False if too much is under way, or the same search is.
        """
        if len(self._searches) >= _MAX_LOOKUPS or self._search_for(info_hash) is not None:
            return False
        here = self.answers.store.peers(info_hash, _MAX_TOLD, now, self._rng)
        self._found(info_hash, unpack_addresses(here))
        self._begin(GET_PEERS, info_hash, now, port)
        return True

    def forget(self, info_hash: bytes) -> None:
        """End the search for a torrent: nothing more is asked or announced."""
        search = self._search_for(info_hash)
        if search is not None:
            self._searches.remove(search)

    def _search_for(self, info_hash: bytes) -> Search | None:
        of_peers = (one for one in self._searches if one.method == GET_PEERS)
        return next((one for one in of_peers if one.lookup.target == info_hash), None)

    # -- bytes and events -----------------------------------------------------------------------------------

    def datagrams(self) -> list[tuple[bytes, Address]]:
        """Return what is to be sent, and forget it."""
        out, self._out = self._out, []
        return out

    def events(self) -> list[DhtEvent]:
        """Return what has happened, and forget it."""
        events, self._events = self._events, []
        return events

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """Take a datagram; whatever it holds, nothing is raised."""
        try:
            host = _pack_host(address[0], self.family)
        except OSError:
            return  # a link-local address with its interface: no node of a global network
        if not self._questions.awaits(address):
            proven = self.table.get(address) is not None
            if self.read_only or not self.answers.limits.admits(host, now, proven=proven):
                return
        try:
            message = parse_krpc(data)
        except BadQuery as error:
            reason = str(error).encode()[:60]
            self._answer(Failure(error.transaction, ErrorCode.PROTOCOL, reason), address, now)
            return
        except RemoteProtocolError:
            return
        if isinstance(message, Query):
            self._asked(message, address, host + address[1].to_bytes(2, "big"), len(data), now)
            return
        question = self._questions.answered(message.transaction, address)
        if question is None:
            return
        if isinstance(message, Reply) and question.id in (None, message.id):
            self._replied(message, question, now)
        else:
            self._failed(question, is_bad=isinstance(message, Reply))
        self._go_on(question.search, now)

    # -- time -----------------------------------------------------------------------------------------------

    def deadline(self) -> float:
        """Return when `on_deadline` wants to be called."""
        return min(self._upkeep_at, self._questions.deadline())

    def on_deadline(self, now: float) -> None:
        """Do what is due; early calls are harmless."""
        for question in self._questions.late(now):
            if not question.slow:
                self._failed(question, is_bad=True)
                continue
            self._out.append((question.data, question.address))  # perhaps it was lost
            if question.search is not None:
                question.search.lookup.slow(question.address)
        for search in list(self._searches):
            self._go_on(search, now)
        if now >= self._upkeep_at:
            self._upkeep(now)

    def _upkeep(self, now: float) -> None:
        self._upkeep_at = now + _UPKEEP
        self.answers.store.expire(now)
        for _ in range(_PINGS):
            contact = self.table.to_ping(now)
            if contact is None or self._questions.awaits(contact.address):
                break
            self._ask(Query(b"", PING, self.id), contact.address, contact.id, None, now)
        if len(self.table) < K:
            if now >= self._bootstrap_at and self.knows_anybody:
                self._bootstrap_at = now + self._bootstrap_pause
                self._bootstrap_pause = min(2 * self._bootstrap_pause, _LAST_BOOTSTRAP)
                self._begin(FIND_NODE, self.id, now)
        elif len(self._searches) < _MAX_LOOKUPS:
            target = self.table.stale_target(now, self._rng)
            if target is not None:
                self._begin(FIND_NODE, target, now)

    def _bootstrap_soon(self, now: float) -> None:
        self._bootstrap_at, self._bootstrap_pause = now, _FIRST_BOOTSTRAP
        self._upkeep_at = min(self._upkeep_at, now)

    # -- questions of ours ----------------------------------------------------------------------------------

    def _begin(self, method: bytes, target: bytes, now: float, port: int | None = None) -> None:
        known = [entry.contact for entry in self.table.closest(target, 2 * K)]
        few = len(known) < K
        more, routers = (self._remembered, list(self._routers)) if few else ([], [])
        search = Search(Lookup(target, known + more, routers), method, port)
        self._searches.append(search)
        self._go_on(search, now)

    def _go_on(self, search: Search | None, now: float) -> None:
        if search is None or search not in self._searches:
            return
        lookup, sibling = search.lookup, self._sibling
        want = (4, 6) if sibling is not None and len(sibling.table) < K else ()
        while (whom := lookup.next()) is not None:
            query = Query(b"", search.method, self.id, lookup.target, want)
            if not self._ask(query, *whom, search, now):
                lookup.failed(whom[0])
        if lookup.done:
            self._searches.remove(search)
            if search.method == GET_PEERS:
                self._announce(search, now)

    def _announce(self, search: Search, now: float) -> None:
        announced, target = 0, search.lookup.target
        for contact, token in search.lookup.closest() if search.port is not None else ():
            if token is not None:
                query = Query(b"", ANNOUNCE_PEER, self.id, target, (), token, search.port or 0)
                announced += self._ask(query, contact.address, contact.id, None, now)
        self._events.append(SearchDone(target, search.answered, announced))

    def _ask(
        self, query: Query, address: Address, node_id: NodeId | None, search: Search | None, now: float
    ) -> bool:
        if self._questions.full:
            return False
        question = Question(address, node_id, now, search)
        transaction = self._questions.ask(question)
        question.data = replace(query, transaction=transaction, read_only=self.read_only).serialize()
        self._out.append((question.data, address))
        return True

    def _failed(self, question: Question, *, is_bad: bool) -> None:
        if is_bad:
            self.table.failed(question.address)
        if question.search is not None:
            question.search.lookup.failed(question.address)

    def _replied(self, reply: Reply, question: Question, now: float) -> None:
        contact = Contact(reply.id, *question.address)
        was_empty = not len(self.table)
        self.table.answered(contact, now)
        if was_empty and len(self.table):
            self._bootstrap_soon(now)  # the first node that we know: ask it for others
        local = ip_address(contact.host).is_loopback
        ours, theirs = (reply.nodes, reply.nodes6) if self.family == 4 else (reply.nodes6, reply.nodes)
        if self._sibling is not None:
            for named in self._sibling.sane_contacts(theirs, local=local)[:K]:
                self._sibling.table.heard_of(named)
        search = question.search
        if search is not None:
            search.answered += 1
            search.lookup.heard_of(self.sane_contacts(ours, local=local))
            search.lookup.answered(contact, reply.token)
            if search.method == GET_PEERS and search in self._searches:
                told = unpack_addresses(reply.values[:_MAX_TOLD])
                peers = [one for one in told if is_sane(one, self.family, local=local)]
                self._found(search.lookup.target, peers)
        if len(reply.seen_as) == (6 if self.family == 4 else 18):
            ip = self._vote.cast(reply.seen_as, contact.host)
            if ip is not None:
                self._events.append(SeenAs(ip))
                if not is_bound(self.id, str(ip)):
                    self._rename(bind_id(ip, self._rng.randbytes(20)), now)

    def _found(self, info_hash: bytes, peers: list[Address]) -> None:
        if peers:
            self._events.append(PeersFound(info_hash, tuple(peers)))

    def _rename(self, node_id: NodeId, now: float) -> None:
        old, table = list(self.table), RoutingTable(node_id)
        self._tables[self.family] = table
        if self._sibling is not None:
            self._sibling._tables[self.family] = table
        for entry in old:
            if not entry.failures:
                table.answered(entry.contact, entry.seen_at)
        self._begin(FIND_NODE, node_id, now)

    # -- questions of others --------------------------------------------------------------------------------

    def _asked(self, query: Query, address: Address, source: bytes, size: int, now: float) -> None:
        if query.id == self.id or self.read_only:
            return  # our own voice; or we answer nobody
        proven = self.table.get(address) is not None
        answer = self.answers.answer(query, source, now, size=size, proven=proven)
        self._answer(answer, address, now)
        if query.method == ANNOUNCE_PEER and isinstance(answer, Reply):
            # We may be looking for this torrent ourselves.
            port = address[1] if query.implied_port else query.port
            peer, local = (address[0], port), ip_address(address[0]).is_loopback
            self._found(query.target, [peer] if is_sane(peer, self.family, local=local) else [])
        if not query.read_only and address[1]:
            self.table.asked(Contact(query.id, *address), now)

    def _answer(self, answer: Reply | Failure, address: Address, now: float) -> None:
        data = answer.serialize()
        if not self.read_only and self.answers.limits.spend(len(data), now):
            self._out.append((data, address))

    # -- whom to believe ------------------------------------------------------------------------------------

    def sane_contacts(self, packed: bytes, *, local: bool) -> list[Contact]:
        """Read packed nodes but ourselves and those that nobody may send us to; loopback ones if `local`."""
        others = (one for one in unpack_contacts(packed, self.family) if one.id != self.id)
        return [contact for contact in others if is_sane(contact.address, self.family, local=local)]


def _pack_host(host: str, family: int) -> bytes:
    return socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, host)
