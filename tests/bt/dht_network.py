"""A network of DHT nodes without sockets: datagrams wait in a queue, time is a number."""

import heapq
import random

from axon.bt.dht_krpc import Contact
from axon.bt.dht_node import DhtNode


def address_of(number):
    """A public IPv4 address, one a /24, with a port."""
    return f"{20 + number // 65536}.{number // 256 % 256}.{number % 256}.7", 6881


class Network:
    """Nodes by address; each datagram takes a while, or is lost."""

    def __init__(self, seed=0, *, loss=0.0):
        self.rng = random.Random(seed)
        self.loss = loss
        self.now = 1000.0
        self.nodes = {}
        self.lost = set()  # receivers of lost datagrams
        self._queue = []
        self._count = 0

    def add(self, **options):
        """A node more; options are those of `DhtNode`."""
        address = address_of(len(self.nodes))
        node = DhtNode(4, random.Random(self.rng.getrandbits(64)), self.now, **options)
        self.nodes[address] = node
        return address, node

    def contact(self, address):
        return Contact(self.nodes[address].id, *address)

    def acquaint(self, near=16, far=60):
        """Give every node what it would have learned in time: its neighbours, and others at random."""
        contacts = sorted((self.contact(address) for address in self.nodes), key=lambda c: c.id)
        for at, own in enumerate(contacts):
            table = self.nodes[own.address].table
            known = contacts[max(0, at - near) : at + near] + self.rng.sample(
                contacts, min(far, len(contacts))
            )
            for contact in known:
                table.answered(contact, self.now)

    def collect(self, address):
        """Take what a node sends."""
        for data, to in self.nodes[address].datagrams():
            if self.rng.random() < self.loss:
                self.lost.add(to)
                self.lost.add(address)
                continue
            self._count += 1
            arrives = self.now + self.rng.uniform(0.01, 0.2)
            heapq.heappush(self._queue, (arrives, self._count, data, address, to))

    def run(self, seconds, *active):
        """Let time pass; the timers of `active` addresses run, the others only answer."""
        end = self.now + seconds
        for address in active:
            self.collect(address)
        while True:
            timers = [(self.nodes[address].deadline(), address) for address in active]
            when, who = min(timers, default=(end, None))
            if self._queue and self._queue[0][0] <= when:
                arrives, _, data, source, to = heapq.heappop(self._queue)
                if arrives > end:
                    heapq.heappush(self._queue, (arrives, 0, data, source, to))
                    break
                self.now = max(self.now, arrives)
                if to in self.nodes:
                    self.nodes[to].receive(data, source, self.now)
                    self.collect(to)
                continue
            if when > end:
                break
            self.now = max(self.now, when)
            self.nodes[who].on_deadline(self.now)
            self.collect(who)
        self.now = end

    def closest(self, target, count=8):
        """The addresses nearest to an id, by omniscience."""
        number = int.from_bytes(target, "big")
        return sorted(self.nodes, key=lambda a: int.from_bytes(self.nodes[a].id, "big") ^ number)[:count]
