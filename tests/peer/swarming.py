"""Nodes of ours in one process, over loopback, for the tests of the swarm."""

import hashlib
import random
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from axon.bt.bencode import encode
from axon.peer.config import Config
from axon.peer.node import Node
from axon.peer.source import TorrentSource

LOOPBACK = (("127.0.0.1", 0),)


def make_file(folder, size, seed=1, name="file.bin"):
    """A file of random bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def make_torrent(path, target, piece=1 << 15, **more):
    """A v1 torrent of one file; `more` goes into the info dictionary."""
    data = path.read_bytes()
    pieces = b"".join(hashlib.sha1(data[at : at + piece]).digest() for at in range(0, len(data), piece))
    info = {b"name": path.name.encode(), b"length": len(data), b"piece length": piece, b"pieces": pieces}
    info |= {key.encode(): value for key, value in more.items()}
    Path(target).write_bytes(encode({b"info": info}))
    return target


class Running:
    """A node with its events."""

    def __init__(self, config):
        self.events = []
        self._news = trio.Event()
        self.node = Node(config, self._emit)

    def _emit(self, event, facts):
        self.events.append((event, facts))
        self._news.set()

    async def wait_for(self, name, timeout=60):
        """Return the facts of the first event of this name."""
        with trio.fail_after(timeout):
            while True:
                for event, facts in self.events:
                    if event == name:
                        return facts
                self._news = trio.Event()
                await self._news.wait()

    def add(self, torrent, folder, *peers, **more):
        """Start a torrent that knows other running nodes."""
        addresses = tuple(("127.0.0.1", peer.node.port) for peer in peers)
        return self.node.add(TorrentSource.from_text(str(torrent), folder, addresses, **more))


@asynccontextmanager
async def running(data, **settings):
    """A node on loopback."""
    config = Config("download", data=data, **({"no_trackers": True, "listen": LOOPBACK} | settings))
    one = Running(config)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.node.run)
        yield one
        await one.node.settle()
        nursery.cancel_scope.cancel()
