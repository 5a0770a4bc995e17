"""What a swarm must learn from its peers before it can begin, and beside its work (BEP 9, 52).

A magnet link brings names only: the info dictionary comes first. A v2 torrent
cannot begin without its piece layers either. A hybrid can, for its pieces have
v1 hashes; its layers come beside the download, or are hashed from it when it is
complete, for the sake of those who know only v2.
"""

from typing import TYPE_CHECKING

import trio

from axon.bt.messages import Hashes, HashRequest
from axon.bt.metadata import MetadataMessage
from axon.bt.metainfo import Metainfo
from axon.errors import MetainfoError, StorageError
from axon.peer.magnet import LayerQuest, MetadataQuest

if TYPE_CHECKING:
    from axon.peer.peer import Peer
    from axon.peer.swarm import Swarm

__all__ = ["Learning"]


class Learning:
    """The questions of one swarm that are open now."""

    def __init__(self, swarm: "Swarm") -> None:
        self._swarm = swarm
        self._metadata: MetadataQuest | None = None
        self._layers: LayerQuest | None = None

    async def begin(self) -> Metainfo:
        """Learn all that a magnet link does not say and the download cannot begin without.

        Raises
        ------
        MetainfoError
            If what peers told has the right hash, and yet is no torrent.
        ConfigError
            If the torrent turns out to be one that is running already.
        """
        swarm = self._swarm
        self._metadata = MetadataQuest(swarm.source)
        swarm.metainfo = metainfo = await self._metadata.run()
        self._metadata = None
        swarm.node.renamed(swarm)
        for peer in swarm.peers:
            peer.conn.v2 = swarm.is_v2
        return await self._fetch_layers(metainfo) if metainfo.needs_piece_layers else metainfo

    async def rest(self, metainfo: Metainfo) -> None:
        """Complete a hybrid's piece layers, from peers or from the complete download."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hash_layers, nursery.cancel_scope)
            self._learnt(await self._fetch_layers(metainfo))
            nursery.cancel_scope.cancel()
        self._layers = None

    async def _fetch_layers(self, metainfo: Metainfo) -> Metainfo:
        self._layers = LayerQuest(metainfo)
        for peer in self._swarm.peers:
            self._layers.ask(peer)
        whole = await self._layers.run()
        self._layers = None
        return whole

    async def _hash_layers(self, quest: trio.CancelScope) -> None:
        swarm = self._swarm
        await swarm.done.wait()
        assert swarm.content is not None
        try:
            self._learnt(await swarm.content.hash_layers())
        except MetainfoError as error:
            swarm.node.emit("warning", {"message": f"{swarm.name}: {error}; it is served by its v1 half"})
            quest.cancel()
        except StorageError as error:
            swarm.fail(str(error))
        if not swarm.content.metainfo.missing_piece_layers:
            quest.cancel()

    def _learnt(self, metainfo: Metainfo) -> None:
        assert self._swarm.content is not None
        self._swarm.metainfo = metainfo
        self._swarm.content.learn(metainfo)

    # -- what peers say ------------------------------------------------------------------------------------

    def ask(self, peer: "Peer") -> None:
        """Ask a peer for whatever is missing; often, for there may be nothing new to ask."""
        for quest in (self._metadata, self._layers):
            if quest is not None:
                quest.ask(peer)

    def gone(self, peer: "Peer") -> None:
        """A peer left; what it owes is asked of others."""
        for quest in (self._metadata, self._layers):
            if quest is not None:
                quest.gone(peer)

    def metadata_received(self, peer: "Peer", message: MetadataMessage) -> None:
        """A piece of the info dictionary, or a reject."""
        if self._metadata is not None:
            self._metadata.received(peer, message)

    def hashes_received(self, peer: "Peer", hashes: Hashes) -> None:
        """Hashes that we asked for."""
        if self._layers is not None:
            self._layers.received(peer, hashes)

    def hashes_rejected(self, peer: "Peer", request: HashRequest) -> None:
        """A peer will not tell."""
        if self._layers is not None:
            self._layers.rejected(peer, request)
