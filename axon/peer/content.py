"""A torrent's content: what is on disk, what is being put together, and what is wanted.

Opening looks at the resume data and hashes what cannot be trusted; from then on
pieces come in by `store` (in a disk thread) and `verified` (in the event loop).
"""

import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio

from axon.bt.assembly import Assembly, PieceBuffer
from axon.bt.bitfield import Bitfield
from axon.bt.messages import HashRequest
from axon.bt.metainfo import Metainfo
from axon.bt.picker import Picker
from axon.errors import AxonError, StorageError
from axon.peer.contributor import Contributor
from axon.peer.layers import LayerServer, hash_pieces
from axon.peer.resume import Resume
from axon.peer.source import TorrentSource, select_files
from axon.peer.storage import Storage

if TYPE_CHECKING:
    from axon.peer.node import Node

__all__ = ["Content"]

_BUDGET = 48 << 20  # bytes of pieces that are not complete yet
_CHECK_BATCH = 16 << 20  # bytes hashed for each hop into a thread


class Content:
    """The pieces of one torrent; made by `open`.

    Attributes
    ----------
    have : Bitfield
        What is verified and on disk.
    """

    def __init__(
        self,
        metainfo: Metainfo,
        storage: Storage,
        resume: Resume,
        have: bytes,
        priorities: Mapping[int, int],
        node: "Node",
        *,
        sequential: bool,
    ) -> None:
        self.metainfo = metainfo
        self.storage = storage
        self.have = Bitfield.from_bytes(metainfo.num_pieces, have)
        self._resume = resume
        self._node = node
        self._unnoted: list[int] = []
        self._dirty = self._syncing = False
        # Two writers of one file only spin on its lock in the kernel: one writes while the other hashes.
        self._writing = threading.Lock()
        self._layers = LayerServer(metainfo)
        self.assembly: Assembly[Contributor] = Assembly(metainfo.piece_size, metainfo.piece_length, _BUDGET)
        self.picker: Picker[Contributor] = Picker(
            metainfo.num_pieces,
            metainfo.piece_size,
            have,
            priorities=priorities,
            seed=node.random_seed(),
            max_open=self.assembly.max_pieces,
            sequential=sequential,
            on_drop=self.assembly.drop,
        )

    @classmethod
    async def open(cls, metainfo: Metainfo, source: TorrentSource, node: "Node") -> "Content":
        """Open the files and find out which pieces are here.

        Raises
        ------
        StorageError
            If the files cannot be opened.
        """
        files = select_files(metainfo, source.files, source.select_only)
        wanted = [files.get(number, 0) for number in range(len(metainfo.files))]
        storage = await node.disk.run(partial(Storage, metainfo, source.root, wanted=wanted))
        resume = await node.disk.run(partial(Resume, metainfo, source.root, node.resume_folder))
        if not source.seeding:
            await node.disk.run(storage.prepare)
        have, doubtful = await node.disk.run(resume.load)
        known = Bitfield.from_bytes(metainfo.num_pieces, have)
        async for index in _check(storage, doubtful, node):
            known.add(index)
            resume.mark([index])
        return cls(
            metainfo,
            storage,
            resume,
            known.to_bytes(),
            _piece_priorities(metainfo, files),
            node,
            sequential=source.sequential,
        )

    def learn(self, metainfo: Metainfo) -> None:
        """The same torrent with its piece layers, which came later: pieces are checked by both hashes now."""
        self.metainfo = self.storage.metainfo = metainfo
        self._layers = LayerServer(metainfo)

    async def hash_layers(self) -> Metainfo:
        """Return the torrent with the piece layers that it lacks, as far as their files are whole.

        Raises
        ------
        MetainfoError
            If a hybrid's halves are of different contents.
        StorageError
            If a file cannot be read.
        """
        metainfo, layers = self.metainfo, dict[bytes, bytes]()
        size = max(1, _CHECK_BATCH // metainfo.piece_length)
        for root in metainfo.missing_piece_layers:
            number = next(k for k, file in enumerate(metainfo.files) if file.pieces_root == root)
            pieces = metainfo.file_pieces(number)
            if all(index in self.have for index in pieces):
                parts = [
                    await self._node.disk.run(
                        partial(hash_pieces, metainfo, number, pieces[at : at + size], self.storage.read_into)
                    )
                    for at in range(0, len(pieces), size)
                ]
                layers[root] = b"".join(parts)
        return metainfo.with_piece_layers(layers)

    def store(self, pieces: Sequence[PieceBuffer[Contributor]]) -> list[bool | AxonError]:
        """Check whole pieces and write them. Runs in a disk thread.

        Returns
        -------
        list of bool or AxonError
            For each piece: was its hash right, or why is it not on disk: a `StorageError` if the
            disk refused, a `MetainfoError` if no hash is known.
        """
        found: list[bool | AxonError] = [
            *self.metainfo.check_pieces([(piece.index, piece.view) for piece in pieces])
        ]
        with self._writing:
            for number, piece in enumerate(pieces):
                try:
                    if found[number] is True:
                        self.storage.write_piece(piece.index, piece.view)
                except StorageError as error:
                    found[number] = error
        return found

    def verified(self, index: int) -> None:
        """A piece was stored; `note` follows soon."""
        self.have.add(index)
        self.picker.piece_verified(index)
        self._unnoted.append(index)

    def note(self) -> None:
        """Put what was verified since the last time into the resume data."""
        if self._unnoted:
            self._resume.mark(self._unnoted)
            self._unnoted = []
            self._dirty = True

    def sync_soon(self) -> None:
        """Make the resume data catch up, in a disk thread."""
        if self._dirty and not self._syncing:
            self._dirty, self._syncing = False, True
            self._node.disk.submit(self._resume.sync, self._synced, self._not_synced)

    async def close(self) -> None:
        """Leave the resume data whole and close the files."""
        await self._node.disk.run(self._close)

    def hashes(self, request: HashRequest) -> bytes | None:
        """Answer a peer's hash request (BEP 52); None if we cannot."""
        return self._layers.answer(request)

    def _synced(self, nothing: None) -> None:
        self._syncing = False

    def _not_synced(self, error: BaseException) -> None:
        self._syncing = False
        if not isinstance(error, StorageError):
            self._node.crash(error)
        # Resume data that cannot be written costs a re-hash later, no data now.

    def _close(self) -> None:
        self._resume.close(clean=True)
        self.storage.close()


async def _check(storage: Storage, doubtful: list[int], node: "Node") -> AsyncIterator[int]:
    """Hash pieces in the disk threads, two batches at a time; yield those that are right."""
    size = max(1, _CHECK_BATCH // storage.metainfo.piece_length)
    batches = [doubtful[at : at + size] for at in range(0, len(doubtful), size)]
    for at in range(0, len(batches), 2):
        good: list[list[int]] = []

        async def check(batch: list[int], good: list[list[int]]) -> None:
            good.append(await node.disk.run(partial(_good, storage, batch)))

        async with trio.open_nursery() as nursery:
            for batch in batches[at : at + 2]:
                nursery.start_soon(check, batch, good)
        for batch in good:
            for index in batch:
                yield index


def _good(storage: Storage, batch: list[int]) -> list[int]:
    return [index for index, good in zip(batch, storage.check_many(batch)) if good]


def _piece_priorities(metainfo: Metainfo, files: Mapping[int, int]) -> dict[int, int]:
    """Each piece has the highest priority of the files in it."""
    if all(priority == Picker.DEFAULT_PRIORITY for priority in files.values()):
        return {}
    priorities = dict.fromkeys(range(metainfo.num_pieces), 0)
    for number, priority in files.items():
        for index in metainfo.file_pieces(number):
            priorities[index] = max(priorities[index], priority)
    return priorities
