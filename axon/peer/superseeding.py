"""Super-seeding at work (BEP 16): what `bt.superseed` decides, told to the connections."""

from typing import TYPE_CHECKING

from axon.bt.superseed import SuperSeed

if TYPE_CHECKING:
    from axon.peer.content import Content
    from axon.peer.peer import Peer

__all__ = ["SuperSeeding"]


class SuperSeeding:
    """One seed's, until every piece was seen at some other peer."""

    def __init__(self, content: "Content") -> None:
        self._content = content
        self._plan: SuperSeed[object] = SuperSeed(content.metainfo.num_pieces, content.picker.availability)
        self._joined: set[Peer] = set()

    @property
    def finished(self) -> bool:
        """Does the swarm hold a copy of its own?"""
        return self._plan.finished

    def sweep(self, peers: "set[Peer]") -> None:
        """Begin with peers whose have-set is known by now; keep a lonely peer going."""
        for peer in peers - self._joined:
            self._joined.add(peer)
            first = self._plan.peer_joined(peer, lambda index, peer=peer: _has(peer, index))  # type: ignore[misc]
            if first is not None:
                _tell(peer, first)
            for index in peer.conn.peer_have or ():
                self.peer_has(peer, index)
        if len(peers) == 1:
            # Nobody is there with whom it could share; waiting for that would be waiting for ever.
            (peer,) = peers
            for index in peer.conn.peer_have or ():
                self.peer_has(None, index)

    def peer_has(self, peer: "Peer | None", index: int) -> None:
        """A peer has a piece now; None: count it as seen anyway."""
        for earner, piece in self._plan.peer_has(peer, index, _has):
            _tell(earner, piece)

    def gone(self, peer: "Peer") -> None:
        """A peer left."""
        if peer in self._joined:
            self._joined.discard(peer)
            self._plan.peer_gone(peer)

    def offer(self, peer: "Peer") -> "Offer":
        """What a peer may ask for: the pieces that it was told of."""
        return Offer(self._plan, peer)


class Offer:
    """A set of pieces, as a connection asks it."""

    def __init__(self, plan: SuperSeed[object], peer: "Peer") -> None:
        self._plan, self._peer = plan, peer

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self._plan.may_request(self._peer, index)


def _has(peer: object, index: int) -> bool:
    have = peer.conn.peer_have  # type: ignore[attr-defined]
    return have is not None and index in have


def _tell(peer: object, index: int) -> None:
    peer.conn.have(index)  # type: ignore[attr-defined]
    peer.link.flush()  # type: ignore[attr-defined]
