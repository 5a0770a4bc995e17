"""The routing table of a DHT node: eight nodes for each length of prefix shared with ours (BEP 5).

Bucket i holds nodes whose ids share exactly i leading bits with ours, the last one all that share
more; it splits when it is full. A node gets in only by answering us, so nobody fills the table by
asking, or by naming others: those are candidates, to be pinged when there is room. Old nodes
that answer are kept before new ones. One place for an IP address, and one of a bucket for a /24
or /64; an id that BEP 42 does not allow gives way to one that it does.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from axon.bt.dht_id import NodeId, is_bound, is_exempt, shared_bits
from axon.bt.dht_krpc import Address, Contact, pack_contact

__all__ = ["FRESH", "Entry", "K", "RoutingTable"]

K = 8  # nodes of a bucket, and of an answer
FRESH = 900.0  # seconds after which a node is questionable and a bucket stale
_MAX_FAILURES = 2  # queries in a row without answer: a bad node
_LAST = 159  # bucket of ids that differ in the last bit


@dataclass(slots=True, eq=False)
class Entry:
    """A node of the table."""

    contact: Contact
    number: int  # the id
    packed: bytes
    bound: bool  # to its address, by BEP 42
    net: str  # its /24 or /64; empty where nets do not count
    seen_at: float  # it answered, or asked
    failures: int = 0

    @property
    def is_bad(self) -> bool:
        """Did it leave several queries in a row without answer?"""
        return self.failures >= _MAX_FAILURES

    def is_good(self, now: float) -> bool:
        """Has it answered once, and been heard of in the last 15 minutes?"""
        return not self.failures and now - self.seen_at < FRESH


@dataclass(slots=True, eq=False)
class _Bucket:
    entries: list[Entry] = field(default_factory=list)
    candidates: dict[Address, Contact] = field(default_factory=dict)  # the latest heard of comes last
    changed_at: float = -math.inf


class RoutingTable:
    """The nodes that we know.

    Parameters
    ----------
    own_id : NodeId
    """

    def __init__(self, own_id: NodeId) -> None:
        self.own_id = own_id
        self._own = int.from_bytes(own_id, "big")
        self._buckets = [_Bucket()]
        self._entries: dict[Address, Entry] = {}
        self._by_id: dict[bytes, Entry] = {}
        self._hosts: set[str] = set()  # with an entry; without local ones

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def buckets(self) -> list[list[Entry]]:
        """The entries by bucket, for inspection."""
        return [list(bucket.entries) for bucket in self._buckets]

    def get(self, address: Address) -> Entry | None:
        """The node at an address."""
        return self._entries.get(address)

    # -- what is heard --------------------------------------------------------------------------------------

    def answered(self, contact: Contact, now: float) -> bool:
        """A node answered us; True if it is in the table now."""
        known = self._entries.get(contact.address)
        if known is not None and known.contact.id == contact.id:
            known.seen_at, known.failures = now, 0
            self._bucket(known.number).changed_at = now
            return True
        if known is not None:  # it has begun anew under another id
            self._remove(known)
        twin = self._by_id.get(contact.id)
        if twin is not None:
            if not twin.is_bad:
                return False  # whoever takes another's id does not take its place
            self._remove(twin)
        return contact.id != self.own_id and self._insert(contact, now)

    def asked(self, contact: Contact, now: float) -> None:
        """A node asked us something, and so is alive; its address is not proved."""
        known = self._entries.get(contact.address)
        if known is None:
            self.heard_of(contact)
        elif known.contact.id == contact.id and not known.failures:
            known.seen_at = now

    def heard_of(self, contact: Contact) -> None:
        """Somebody named a node: a candidate."""
        if not self._is_new(contact):
            return
        candidates = self._bucket(int.from_bytes(contact.id, "big")).candidates
        candidates.pop(contact.address, None)
        if len(candidates) >= K:
            del candidates[next(iter(candidates))]
        candidates[contact.address] = contact

    def _is_new(self, contact: Contact) -> bool:
        """Could it get a place, as far as its address and id go?"""
        known = contact.address in self._entries or contact.host in self._hosts
        return not known and contact.id not in self._by_id and contact.id != self.own_id

    def failed(self, address: Address) -> None:
        """A node left a query without answer."""
        entry = self._entries.get(address)
        if entry is not None:
            entry.failures += 1
            if entry.is_bad and self._bucket(entry.number).candidates:
                self._remove(entry)

    # -- what it is for -------------------------------------------------------------------------------------

    def closest(self, target: bytes, count: int = K) -> list[Entry]:
        """Return the nodes nearest to an id, nearest first, without bad ones.

        Those of the target's own bucket are nearest, then those of all further buckets
        together, then those of the nearer buckets one by one.
        """
        number = int.from_bytes(target, "big")
        buckets = self._buckets
        at = min(shared_bits(number, self._own), len(buckets) - 1)
        groups = [[at], range(at + 1, len(buckets)), *([i] for i in range(at - 1, -1, -1))]
        found: list[Entry] = []
        for group in groups:
            near = [entry for i in group for entry in buckets[i].entries if entry.failures < _MAX_FAILURES]
            near.sort(key=lambda entry: entry.number ^ number)
            found += near
            if len(found) >= count:
                break
        return found[:count]

    def to_ping(self, now: float) -> Contact | None:
        """Return the node that is to be asked next whether it lives, if any.

        A candidate for a free place, which is then no candidate any more; or the questionable
        node that was not heard of for longest, if somebody waits for its place.
        """
        for bucket in self._buckets:
            if not bucket.candidates:
                continue
            is_last = bucket is self._buckets[-1] and len(self._buckets) <= _LAST
            if is_last or len(bucket.entries) < K or any(entry.is_bad for entry in bucket.entries):
                while bucket.candidates:
                    _, contact = bucket.candidates.popitem()
                    if self._is_new(contact):  # it may have come in under another id
                        return contact
                continue
            oldest = min(bucket.entries, key=lambda entry: entry.seen_at)
            if not oldest.is_good(now):
                return oldest.contact
        return None

    def stale_target(self, now: float, rng: random.Random) -> NodeId | None:
        """Return an id to look for in a bucket that did not change for 15 minutes, if there is one."""
        for depth, bucket in enumerate(self._buckets):
            if now - bucket.changed_at >= FRESH:
                bucket.changed_at = now  # once in 15 minutes, whatever comes of it
                return self._id_in(depth, rng)
        return None

    def _id_in(self, depth: int, rng: random.Random) -> NodeId:
        keep = depth + (depth < len(self._buckets) - 1)  # the last bucket shares `depth` bits or more
        mask = (1 << 160 - keep) - 1
        number = self._own & ~mask | rng.getrandbits(160) & mask
        if keep > depth:
            number ^= 1 << 159 - depth
        return NodeId(number.to_bytes(20, "big"))

    # -- places ---------------------------------------------------------------------------------------------

    def _bucket(self, number: int) -> _Bucket:
        return self._buckets[min(shared_bits(number, self._own), len(self._buckets) - 1)]

    def _insert(self, contact: Contact, now: float) -> bool:
        ip = ip_address(contact.host)
        local = is_exempt(ip)
        if not local and contact.host in self._hosts:
            return False
        net = "" if local else _net(contact.host, ip.version)
        number = int.from_bytes(contact.id, "big")
        entry = Entry(contact, number, pack_contact(contact), is_bound(contact.id, contact.host), net, now)
        while True:
            bucket = self._bucket(number)
            bucket.candidates.pop(contact.address, None)
            full = len(bucket.entries) >= K
            if full and bucket is self._buckets[-1] and len(self._buckets) <= _LAST:
                self._split()
                continue
            neighbour = next((one for one in bucket.entries if net and one.net == net), None)
            if neighbour is not None:
                if not neighbour.is_bad and (neighbour.bound or not entry.bound):
                    return False
                self._remove(neighbour)
            elif full:
                worst = self._worst(bucket, entry)
                if worst is None:
                    bucket.candidates[contact.address] = contact
                    if len(bucket.candidates) > K:
                        del bucket.candidates[next(iter(bucket.candidates))]
                    return False
                self._remove(worst)
            bucket.entries.append(entry)
            bucket.changed_at = now
            self._entries[contact.address] = self._by_id[contact.id] = entry
            if not local:
                self._hosts.add(contact.host)
            return True

    @staticmethod
    def _worst(bucket: _Bucket, newcomer: Entry) -> Entry | None:
        """Return who gives way: a bad node, else, to one of a bound id, the latest of an unbound one."""
        bad = next((entry for entry in bucket.entries if entry.is_bad), None)
        if bad is not None or not newcomer.bound:
            return bad
        return next((entry for entry in reversed(bucket.entries) if not entry.bound), None)

    def _split(self) -> None:
        last, depth = self._buckets[-1], len(self._buckets) - 1
        further = _Bucket(changed_at=last.changed_at)
        self._buckets.append(further)
        here: list[Entry] = []
        for entry in last.entries:
            (further.entries if shared_bits(entry.number, self._own) > depth else here).append(entry)
        last.entries = here
        waiting, last.candidates = last.candidates, {}
        for address, contact in waiting.items():
            self._bucket(int.from_bytes(contact.id, "big")).candidates[address] = contact

    def _remove(self, entry: Entry) -> None:
        self._bucket(entry.number).entries.remove(entry)
        del self._entries[entry.contact.address]
        del self._by_id[entry.contact.id]
        self._hosts.discard(entry.contact.host)


def _net(host: str, version: int) -> str:
    """Return what neighbours have in common: three of four parts, or the upper half."""
    if version == 4:
        return host.rpartition(".")[0]
    return ":".join(ip_address(host).exploded.split(":")[:4])
