"""The files of one torrent that are held open: no more than a few, those used last."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from axon.peer.folder import Descriptor

__all__ = ["MAX_OPEN", "OpenFiles"]

MAX_OPEN: Final = 64  # files held open by one torrent


class OpenFiles:
    """File descriptors by file number; safe to use from several threads.

    Parameters
    ----------
    make : callable (number, write)
        Opens a file.
    most : int
        Descriptors held. One that is let go is closed once nobody reads from it any more.
    """

    def __init__(self, make: Callable[[int, bool], Descriptor], most: int = MAX_OPEN) -> None:
        self._make = make
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[int, tuple[Descriptor, bool]] = OrderedDict()  # and whether writable
        self._zeros: Descriptor | None = None

    def get(self, number: int, *, write: bool) -> Descriptor:
        """Return a file's descriptor, opening it if need be; errors as `make`."""
        with self._lock:
            held = self._held.get(number)
            if held is not None and (held[1] or not write):
                self._held.move_to_end(number)
                return held[0]
        fd = self._make(number, write)
        with self._lock:
            held = self._held.get(number)
            if held is not None and held[1]:  # another thread was faster
                return held[0]
            self._held[number] = (fd, write)
            self._held.move_to_end(number)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return fd

    def zeros(self) -> Descriptor:
        """Return a descriptor of endless zeros, which pads are read from."""
        with self._lock:
            if self._zeros is None:
                self._zeros = Descriptor(os.open("/dev/zero", os.O_RDONLY | os.O_CLOEXEC))
            return self._zeros

    def forget(self, number: int) -> None:
        """Let go of one file."""
        with self._lock:
            self._held.pop(number, None)

    def close(self) -> None:
        """Let go of all; they may be asked for again."""
        with self._lock:
            self._held.clear()
            self._zeros = None
