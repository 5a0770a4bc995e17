"""Which peer messages are welcome when: the state machine of a connection, as a table (BEP 3, 6, 10, 52)."""

from enum import Enum, auto

from axon.bt.handshake import Reserved
from axon.bt.messages import MessageId
from axon.errors import RemoteProtocolError

__all__ = ["NEXT", "State", "judge"]


class State(Enum):
    """Where a connection is."""

    GREETING = auto()  # their handshake is not complete
    FIRST = auto()  # they may still tell their whole have-set
    OPEN = auto()
    CLOSED = auto()


def _table() -> dict[tuple[State, MessageId], State]:
    m = MessageId
    # BEP 3 and 6: the have-set comes first or never. What says nothing about pieces may precede it: real
    # clients send their extension handshake first, and one that joined by magnet link tells its set late.
    neutral = [m.CHOKE, m.UNCHOKE, m.INTERESTED, m.NOT_INTERESTED, m.PORT, m.EXTENDED]
    neutral += [m.HASH_REQUEST, m.HASHES, m.HASH_REJECT]
    whole = [m.BITFIELD, m.HAVE_ALL, m.HAVE_NONE]
    single = [m.HAVE, m.REQUEST, m.CANCEL, m.SUGGEST, m.REJECT, m.ALLOWED_FAST]
    table = {(State.FIRST, kind): State.FIRST for kind in neutral}
    table |= {(State.FIRST, kind): State.OPEN for kind in [*whole, *single]}
    # Against BEP 3 and 6 aria2 tells many new pieces by a late bitfield or have-all, if that is shorter.
    late = [m.BITFIELD, m.HAVE_ALL]
    table |= {(State.OPEN, kind): State.OPEN for kind in [*neutral, *single, *late, m.PIECE]}
    return table


NEXT = _table()
"""(state, message) to the next state. Any pair not listed is a RemoteProtocolError."""

_NEEDS = {
    MessageId.SUGGEST: Reserved.FAST,
    MessageId.HAVE_ALL: Reserved.FAST,
    MessageId.HAVE_NONE: Reserved.FAST,
    MessageId.REJECT: Reserved.FAST,
    MessageId.ALLOWED_FAST: Reserved.FAST,
    MessageId.EXTENDED: Reserved.EXTENDED,
}


def judge(state: State, kind: MessageId, agreed: Reserved, v2: bool) -> State:
    """Return the state after a message of this kind.

    Parameters
    ----------
    state : State
    kind : MessageId
    agreed : Reserved
        Bits that both handshakes have.
    v2 : bool
        Has the torrent a v2 half, so that hash messages mean something? The
        reserved bit says something else: that a v1 handshake may be upgraded.

    Raises
    ------
    RemoteProtocolError
        If it is not welcome.
    """
    after = NEXT.get((state, kind))
    if after is None:
        raise RemoteProtocolError(f"{kind.words}: not welcome in state {state.name.lower()}")
    need = _NEEDS.get(kind)
    if need is not None and need not in agreed:
        raise RemoteProtocolError(f"{kind.words}: {need.name} was not agreed on in the handshakes")
    if kind >= MessageId.HASH_REQUEST and not v2:
        raise RemoteProtocolError(f"{kind.words}: this torrent has no v2 half")
    return after
