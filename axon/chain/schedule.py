"""When a pool's epochs begin and end; the twin of `pool.vy`'s arithmetic, without a chain."""

from dataclasses import dataclass

from axon.ids import Epoch

__all__ = ["Schedule"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pool's epochs: `epochs` of `length` seconds each, the first at `start`."""

    start: int  # seconds since 1970
    length: int  # seconds, above zero
    epochs: int  # above zero

    @property
    def end(self) -> int:
        """When the last epoch ends, seconds since 1970."""
        return self.start + self.epochs * self.length

    def epoch_at(self, unix_seconds: float) -> Epoch:
        """Return the running epoch as the pool's `current_epoch` does.

        That is 0 before the start, when peers may join already, and the number of epochs once all
        are over, an epoch that no receipt can be paid in.
        """
        return Epoch(min(max(0, int((unix_seconds - self.start) // self.length)), self.epochs))

    def bounds(self, epoch: int) -> tuple[int, int]:
        """Return when `epoch` begins and ends, seconds since 1970.

        Raises
        ------
        ValueError
            If the pool has no such epoch.
        """
        if not 0 <= epoch < self.epochs:
            raise ValueError(f"epoch {epoch} of {self.epochs}")
        return self.start + epoch * self.length, self.start + (epoch + 1) * self.length
