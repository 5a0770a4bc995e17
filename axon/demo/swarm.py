"""The demo's swarm: trackers, a seed and peers as processes on loopback, moving a real file."""

import filecmp
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from axon.demo.cast import Role
from axon.demo.programs import Program, run_to_end
from axon.errors import AxonError
from axon.ids import InfoHash
from axon.keys import NodeSecret

__all__ = ["Node", "Torrent", "make_file", "make_torrent", "run_swarm", "running_trackers"]

_PATIENCE = 240.0  # seconds for the slowest peer


@dataclass(frozen=True, slots=True)
class Torrent:
    """What is hosted."""

    file: Path
    path: Path  # the .torrent
    info_hash: InfoHash
    length: int  # bytes
    pieces: int
    piece_length: int

    @property
    def blocks(self) -> int:
        """Of 16 KiB."""
        whole, rest = divmod(self.length, self.piece_length)
        return whole * -(-self.piece_length // 16384) + -(-rest // 16384)


@dataclass(frozen=True, slots=True)
class Node:
    """One peer: its part, its folders and its key."""

    role: Role
    home: Path
    secret: NodeSecret

    @classmethod
    def make(cls, role: Role, parent: Path) -> "Node":
        """Make the folders and the key."""
        home = parent / role.name
        home.mkdir(parents=True, exist_ok=True)
        return cls(role, home, NodeSecret.load_or_create(home / "data" / "node.key"))

    @property
    def files(self) -> Path:
        """What it downloads."""
        return self.home / "files"

    def flags(self, torrent: Torrent, folder: Path, more: Sequence[str]) -> list[str]:
        """Return the flags that `seed` and `download` share."""
        return [
            *(str(torrent.path), "--dir", str(folder), "--data", str(self.home / "data"), "--json"),
            *("--listen", "127.0.0.1:0", "--no-dht", "--max-up", str(self.role.max_up), *more),
        ]


def make_file(path: Path, size: int) -> None:
    """Write `size` random bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size - start)))


async def make_torrent(file: Path, home: Path) -> Torrent:
    """Make a torrent of `file`; trackers are given to the peers beside it."""
    path = home / f"{file.name}.torrent"
    made = await run_to_end("axon.peer", ["create", str(file), "-o", str(path), "--json"])
    return Torrent(
        file,
        path,
        InfoHash(bytes.fromhex(made["info_hash"])),
        made["length"],
        made["pieces"],
        made["piece_length"],
    )


@asynccontextmanager
async def running_trackers(homes: Sequence[Path], pools: Path) -> AsyncIterator[list[str]]:
    """Run a tracker in each folder; yield their URLs."""
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        urls = []
        for home in homes:
            arguments = ["--http", "127.0.0.1:0", "--udp", "none", "--data", str(home)]
            arguments += ["--pools", str(pools), "--json", "--plain"]  # compiling pays from 1,000 peers up
            running = Program.running(nursery, home.name, "axon.tracker", arguments, home / "log")
            program = await stack.enter_async_context(running)
            urls.append(f"http://{(await program.event('http', 30))['http'][0]}")
        yield urls
        await stack.aclose()
        nursery.cancel_scope.cancel()


async def run_swarm(torrent: Torrent, seed: Node, nodes: Sequence[Node], flags: Sequence[str]) -> float:
    """Let every node download the whole torrent; return the seconds that the slowest took.

    Raises
    ------
    AxonError
        If a program fails, takes too long, or a copy differs from the original.
    """
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:

        async def start(node: Node, command: str, folder: Path, more: Sequence[str]) -> Program:
            arguments = [command, *node.flags(torrent, folder, [*flags, *more])]
            running = Program.running(nursery, node.role.name, "axon.peer", arguments, node.home / "log")
            return await stack.enter_async_context(running)

        programs = [await start(seed, "seed", torrent.file.parent, [])]
        port = (await programs[0].event("listening", 30))["port"]
        await programs[0].event("complete", 60)
        started = trio.current_time()
        for node in nodes:
            node.files.mkdir(exist_ok=True)
            programs.append(
                await start(node, "download", node.files, ["--seed", "--peer", f"127.0.0.1:{port}"])
            )
        for program in programs:
            await program.event("complete", _PATIENCE)
        seconds = trio.current_time() - started
        await trio.sleep(0.5)  # the last pieces' receipts are on their way
        for program in programs:
            program.terminate()
        await stack.aclose()
        nursery.cancel_scope.cancel()
    for node in nodes:
        if not filecmp.cmp(torrent.file, node.files / torrent.file.name, shallow=False):
            raise AxonError(f"{node.role.name}: the copy differs from the original")
    return seconds
