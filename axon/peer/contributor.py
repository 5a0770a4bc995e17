"""Whoever brings blocks: a connected peer or a web seed; the key of picker and assembly."""

from axon.peer.ledger import Link

__all__ = ["Contributor"]


class Contributor:
    """What the swarm needs of a source of blocks; compared by identity."""

    __slots__ = ()

    @property
    def receipts(self) -> Link | None:
        """Where its blocks are acknowledged; None if nowhere."""
        return None

    def cancel(self, index: int, begin: int) -> None:
        """A block that it owes us came from somebody else."""

    def give_up_requests(self) -> None:
        """It is late: what it owes is asked of others."""

    def ban(self) -> None:
        """It sent bad data."""
