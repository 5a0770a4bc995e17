"""From a magnet link to a torrent: the info dictionary, and v2's piece layers, from peers (BEP 9, 52)."""

from typing import TYPE_CHECKING

import trio

from axon.bt.messages import Hashes, HashRequest
from axon.bt.metadata import MetadataDownload, MetadataMessage, info_hash_check
from axon.bt.metainfo import Metainfo, parse_info
from axon.errors import MetainfoError
from axon.peer.layers import LayerFetch

if TYPE_CHECKING:
    from axon.peer.peer import Peer
    from axon.peer.swarm import Swarm

__all__ = ["MagnetFetch"]


class MagnetFetch:
    """What one swarm still has to learn before it can begin."""

    def __init__(self, swarm: "Swarm") -> None:
        self._swarm = swarm
        source = swarm.source
        self._download = MetadataDownload(info_hash_check(source.info_hash, source.info_hash_v2))
        self._layers: LayerFetch | None = None
        self._result: Metainfo | None = None
        self._here = trio.Event()

    async def run(self) -> Metainfo:
        """Wait until peers have told everything.

        Raises
        ------
        MetainfoError
            If what they told has the right hash, and yet is no torrent.
        """
        await self._here.wait()
        if self._result is None:
            source = self._swarm.source
            assert self._download.info is not None
            self._result = parse_info(self._download.info, trackers=source.trackers, webseeds=source.webseeds)
        self._swarm.metainfo = self._result
        if self._result.needs_piece_layers:
            self._layers, self._here = LayerFetch(self._result), trio.Event()
            for peer in self._swarm.peers:
                self.ask(peer)
            await self._here.wait()
        return self._result

    def ask(self, peer: "Peer") -> None:
        """Ask a peer for whatever is missing; often, for there may be nothing new to ask."""
        conn, now = peer.conn, trio.current_time()
        if self._layers is not None:
            for request in self._layers.requests(peer, now):
                conn.hash_request(request)
        elif conn.metadata_size and "ut_metadata" in conn.peer_extensions:
            self._download.add(peer, conn.metadata_size)
            for message in self._download.requests(peer, now):
                conn.extended("ut_metadata", message.serialize())
        peer.link.flush()

    def gone(self, peer: "Peer") -> None:
        """A peer left."""
        self._download.remove(peer)
        if self._layers is not None:
            self._layers.gone(peer)

    def metadata_received(self, peer: "Peer", message: MetadataMessage) -> None:
        """A piece of the info dictionary, or a reject."""
        if self._download.received(peer, message) is not None:
            self._here.set()
        else:
            self.ask(peer)

    def hashes_received(self, peer: "Peer", hashes: Hashes) -> None:
        """Hashes that we asked for."""
        if self._layers is None:
            return
        try:
            self._result = self._layers.received(hashes) or self._result
        except MetainfoError as error:
            self._swarm.fail(str(error))
            return
        if self._result is not None and not self._result.needs_piece_layers:
            self._here.set()
        else:
            self.ask(peer)

    def hashes_rejected(self, peer: "Peer", request: HashRequest) -> None:
        """A peer will not tell."""
        if self._layers is not None:
            self._layers.rejected(peer, request)
