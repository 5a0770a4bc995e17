"""Two questions to peers: for the info dictionary, and for v2's piece layers (BEP 9, 52).

Whom to ask what, and what is believed, is decided in `axon.bt.metadata` and
`layers.py`; when to begin, in `learning.py`.
"""

from typing import TYPE_CHECKING

import trio

from axon.bt.messages import Hashes, HashRequest
from axon.bt.metadata import MetadataDownload, MetadataMessage, info_hash_check
from axon.bt.metainfo import Metainfo, parse_info
from axon.peer.layers import LayerFetch

if TYPE_CHECKING:
    from axon.peer.peer import Peer
    from axon.peer.source import TorrentSource

__all__ = ["LayerQuest", "MetadataQuest"]


class MetadataQuest:
    """The info dictionary of a magnet link, on its way."""

    def __init__(self, source: "TorrentSource") -> None:
        self._source = source
        self._download = MetadataDownload(info_hash_check(source.info_hash, source.info_hash_v2))
        self._here = trio.Event()

    async def run(self) -> Metainfo:
        """Wait until peers have told everything.

        Raises
        ------
        MetainfoError
            If what they told has the right hash, and yet is no torrent.
        """
        await self._here.wait()
        info, source = self._download.info, self._source
        assert info is not None
        return parse_info(info, trackers=source.trackers, webseeds=source.webseeds)

    def ask(self, peer: "Peer") -> None:
        """Ask a peer for whatever is missing; often, for there may be nothing new to ask."""
        conn = peer.conn
        if conn.metadata_size and "ut_metadata" in conn.peer_extensions:
            self._download.add(peer, conn.metadata_size)
            for message in self._download.requests(peer, trio.current_time()):
                conn.extended("ut_metadata", message.serialize())
            peer.link.flush()

    def gone(self, peer: "Peer") -> None:
        """A peer left."""
        self._download.remove(peer)

    def received(self, peer: "Peer", message: MetadataMessage) -> None:
        """A piece of the info dictionary, or a reject."""
        if self._download.received(peer, message) is not None:
            self._here.set()
        else:
            self.ask(peer)


class LayerQuest:
    """The piece layers that a swarm's torrent lacks, on their way."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._fetch = LayerFetch(metainfo)
        self._result = metainfo
        self._here = trio.Event()

    async def run(self) -> Metainfo:
        """Wait for the torrent with all its layers."""
        await self._here.wait()
        return self._result

    def ask(self, peer: "Peer") -> None:
        """Ask a peer for what is missing, if it knows what the question means."""
        if not peer.speaks_v2:
            return
        for request in self._fetch.requests(peer, trio.current_time()):
            peer.conn.hash_request(request)
        peer.link.flush()

    def gone(self, peer: "Peer") -> None:
        """A peer left."""
        self._fetch.gone(peer)

    def received(self, peer: "Peer", hashes: Hashes) -> None:
        """Hashes that we asked for."""
        whole = self._fetch.received(hashes)
        if whole is not None:
            self._result = whole
            self._here.set()
        else:
            self.ask(peer)

    def rejected(self, peer: "Peer", request: HashRequest) -> None:
        """A peer will not tell."""
        self._fetch.rejected(peer, request)
