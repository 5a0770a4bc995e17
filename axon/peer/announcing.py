"""A torrent's announces, under each of its names: a hybrid is two swarms to trackers (BEP 52).

When to ask which tracker is `announcer.py`'s; here is what we say and what
becomes of the answer. Each name has its own announcer, for a tracker may know
one and refuse the other.
"""

from ipaddress import ip_address
from typing import TYPE_CHECKING

import trio

from axon.bt.announce import UNKNOWN_LEFT, AnnounceRequest, AnnounceResponse
from axon.ids import InfoHash
from axon.peer.announcer import Announcer
from axon.peer.http import is_private
from axon.peer.peerbook import Source
from axon.peer.policy import Policy

if TYPE_CHECKING:
    from axon.peer.swarm import Swarm

__all__ = ["Announcing"]


class Announcing:
    """What one swarm has to do with its trackers.

    Attributes
    ----------
    urls : tuple of str
        All trackers, tier by tier.
    """

    def __init__(self, swarm: "Swarm") -> None:
        self._swarm = swarm
        config, trackers = swarm.node.config, swarm.source.trackers
        self._tiers = () if config.no_trackers else trackers + tuple((url,) for url in config.announce)
        self.urls = tuple(dict.fromkeys(url for tier in self._tiers for url in tier))
        self._announcers: dict[InfoHash, Announcer] = {}

    def begin(self, nursery: trio.Nursery) -> None:
        """Announce every name that is not announced yet; a magnet link may have known one of two."""
        for name in self._swarm.handshake_hashes:
            if name not in self._announcers:
                self._announcers[name] = announcer = self._make(name)
                nursery.start_soon(announcer.run)

    def completed(self) -> None:
        """Tell all trackers soon that the download is complete."""
        for announcer in self._announcers.values():
            announcer.completed()

    async def stop(self) -> None:
        """Say goodbye; takes two seconds at most."""
        async with trio.open_nursery() as nursery:
            for announcer in self._announcers.values():
                nursery.start_soon(announcer.stop)

    def _make(self, name: InfoHash) -> Announcer:
        return Announcer(
            self._tiers,
            self._swarm.node.trackers,
            lambda: self._request(name),
            self._answered,
            lambda: self._swarm.hungry,
        )

    def _request(self, name: InfoHash) -> AnnounceRequest:
        swarm = self._swarm
        picker = swarm.content.picker if swarm.content else None
        return AnnounceRequest(
            name,
            swarm.node.peer_id,
            swarm.node.port or 1,
            uploaded=swarm.total_up(),
            downloaded=swarm.total_down(),
            left=picker.left if picker else UNKNOWN_LEFT,
            key=swarm.node.announce_key,
            takes_encrypted=swarm.node.config.encryption is not Policy.OFF,
            takes_plain=swarm.node.config.encryption is not Policy.REQUIRE,
        )

    def _answered(self, url: str, response: AnnounceResponse) -> None:
        node = self._swarm.node
        local = node.tracker_is_local(url)
        for host, port, _ in (*response.peers, *response.peers6):
            if local or not ip_address(host).is_loopback:
                self._swarm.book.add((host, port), Source.TRACKER)
        if response.external_ip and not is_private(response.external_ip):
            node.seen_as(ip_address(response.external_ip))
        node.dial_soon()
