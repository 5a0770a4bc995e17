"""What our DHT node answers: nodes near a target, peers of a torrent, a token (BEP 5, 32, 43).

No answer depends on whom we believe: the source address of a question may be forged, so the
size of the answer is bounded by that of the question (`dht_limits.py`) until the asker has
answered us once, and only a token earns a place in the store.
"""

import random
from collections.abc import Mapping

from axon.bt.dht_krpc import (
    ANNOUNCE_PEER,
    GET_PEERS,
    PING,
    ErrorCode,
    Failure,
    Query,
    Reply,
)
from axon.bt.dht_limits import MAX_REPLY, UNPROVEN, Limits
from axon.bt.dht_store import PeerStore
from axon.bt.dht_table import K, RoutingTable
from axon.bt.dht_tokens import Tokens

__all__ = ["Answers"]

_NODE_SIZE = {4: 26, 6: 38}  # bytes
_LIST = 12  # bytes around nodes or peers: key, length, end


class Answers:
    """Answers queries by one address family.

    Parameters
    ----------
    family : int
        4 or 6.
    tables : mapping of family to RoutingTable
        With the one of `family`, and perhaps the other (BEP 32).
    rng : random.Random
    now : float
        Seconds.
    """

    def __init__(
        self,
        family: int,
        tables: Mapping[int, RoutingTable],
        rng: random.Random,
        now: float,
        limits: Limits | None = None,
    ) -> None:
        self.family = family
        self.store = PeerStore()
        self.limits = Limits(now) if limits is None else limits
        self._tables = tables
        self._rng = rng
        self._tokens = Tokens(rng, now)

    def answer(self, query: Query, source: bytes, now: float, *, size: int, proven: bool) -> Reply | Failure:
        """Answer a query.

        Parameters
        ----------
        source : bytes
            Packed address and port, 6 or 18 bytes.
        size : int
            Bytes of the query.
        proven : bool
            Has this address answered us lately?
        """
        own = self._tables[self.family].own_id
        if query.method == PING:
            return Reply(query.transaction, own, seen_as=source)
        if query.method == ANNOUNCE_PEER:
            return self._announce(query, source, now)
        if not query.target:
            return Failure(query.transaction, ErrorCode.UNKNOWN_METHOD, b"Method Unknown")
        token = self._tokens.make(source[:-2], now) if query.method == GET_PEERS else None
        bare = Reply(query.transaction, own, token=token, seen_as=source)
        room = MAX_REPLY if proven else min(MAX_REPLY, UNPROVEN * size)
        room -= len(bare.serialize())
        peer_size = len(source) + 2 + (len(source) > 9)  # with its length in digits
        peers: list[bytes] = []
        if query.method == GET_PEERS:
            most = (room - _LIST) // peer_size
            peers = self.store.peers(query.target, most, now, self._rng)
        # With peers to tell, nodes get half of the room at most; what they leave is the peers'.
        for_nodes = max(room // 2, room - len(peers) * peer_size - _LIST) if peers else room
        nodes: dict[int, bytes] = {}
        for family in query.want or (self.family,):
            table, each = self._tables.get(family), _NODE_SIZE[family]
            count = min(K, (for_nodes - _LIST) // each)
            if table is None or count <= 0:
                continue
            near = table.closest(query.target, count)
            nodes[family] = b"".join(entry.packed for entry in near)
            for_nodes -= _LIST + each * len(near)
            room -= _LIST + each * len(near)
        told = tuple(peers[: max(0, room - _LIST) // peer_size])
        return Reply(query.transaction, own, nodes.get(4, b""), nodes.get(6, b""), told, token, source)

    def _announce(self, query: Query, source: bytes, now: float) -> Reply | Failure:
        if not self._tokens.is_good(query.token, source[:-2], now):
            return Failure(query.transaction, ErrorCode.PROTOCOL, b"Bad token")
        port = source[-2:] if query.implied_port else query.port.to_bytes(2, "big")
        if port != b"\0\0":
            self.store.add(query.target, source[:-2] + port, now)
        return Reply(query.transaction, self._tables[self.family].own_id, seen_as=source)
