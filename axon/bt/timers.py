"""When a connection wants attention: keep-alives, and the patience that we have with a peer.

One object of plain numbers, because a thousand connections are swept by one
periodic task; a cancel scope for each deadline would cost more than the rest.
"""

from dataclasses import dataclass

from axon.errors import RemoteProtocolError

__all__ = ["Due", "Timeouts", "Timers"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    handshake: float = 20.0  # for all 68 bytes, however slowly they drip
    keep_alive: float = 110.0  # of our silence; BEP 3 lets peers hang up after 120
    idle: float = 240.0  # of their silence
    frame: float = 180.0  # to complete a message once begun
    request: float = 60.0  # without a block while requests wait: snubbed
    inactive: float = 600.0  # of nothing but keep-alives


@dataclass(frozen=True, slots=True)
class Due:
    """What the clock demands now."""

    keep_alive: bool = False
    snubbed: bool = False
    inactive: bool = False


class Timers:
    """The times that matter, all in the seconds of the `now` that callers pass.

    Attributes
    ----------
    now
        The latest time heard of.
    opened, last_received, last_sent
        The connection's beginning; bytes of any kind in and out.
    last_message
        Anything but a keep-alive from the peer.
    last_block, request_start
        Payload; and since when requests have been waiting without a pause.
    frame_start
        When the message that is still incomplete began; None between messages.
    """

    __slots__ = (
        "_timeouts",
        "frame_start",
        "inactive",
        "last_block",
        "last_message",
        "last_received",
        "last_sent",
        "now",
        "opened",
        "request_start",
        "snubbed",
    )

    def __init__(self, timeouts: Timeouts, now: float) -> None:
        self._timeouts = timeouts
        self.now = self.opened = self.last_received = self.last_sent = now
        self.last_message = self.last_block = self.request_start = now
        self.frame_start: float | None = None
        self.snubbed = self.inactive = False

    def heard(self) -> None:
        """A message that is no keep-alive came."""
        self.last_message = self.now
        self.inactive = False

    def block(self) -> None:
        """Payload came."""
        self.last_block = self.now
        self.snubbed = False
        self.heard()

    def deadline(self, *, greeting: bool, waiting: bool) -> float:
        """When `due` has something to say.

        Parameters
        ----------
        greeting : bool
            Is the peer's handshake incomplete?
        waiting : bool
            Are requests of ours unanswered?
        """
        t = self._timeouts
        if greeting:
            return self.opened + t.handshake
        soonest = min(self.last_sent + t.keep_alive, self.last_received + t.idle)
        if self.frame_start is not None:
            soonest = min(soonest, self.frame_start + t.frame)
        if waiting and not self.snubbed:
            soonest = min(soonest, self._snub_time())
        if not self.inactive:
            soonest = min(soonest, self.last_message + t.inactive)
        return soonest

    def due(self, *, greeting: bool, waiting: bool) -> Due:
        """What to do at `now`; each is said once.

        Raises
        ------
        RemoteProtocolError
            If the peer was silent, or slow, for too long.
        """
        t, now = self._timeouts, self.now
        if greeting:
            if now >= self.opened + t.handshake:
                raise RemoteProtocolError(f"handshake: incomplete after {t.handshake:g} s")
            return Due()
        if now >= self.last_received + t.idle:
            raise RemoteProtocolError(f"connection: silent for {t.idle:g} s")
        if self.frame_start is not None and now >= self.frame_start + t.frame:
            raise RemoteProtocolError(f"frame: incomplete after {t.frame:g} s")
        keep_alive = now >= self.last_sent + t.keep_alive
        if keep_alive:
            self.last_sent = now
        snubbed = waiting and not self.snubbed and now >= self._snub_time()
        inactive = not self.inactive and now >= self.last_message + t.inactive
        self.snubbed |= snubbed
        self.inactive |= inactive
        return Due(keep_alive, snubbed, inactive)

    def _snub_time(self) -> float:
        return max(self.last_block, self.request_start) + self._timeouts.request
