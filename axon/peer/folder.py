"""Files below one folder, reached without ever following a symbolic link.

Names come from torrents. Every component is opened relative to its parent with
O_NOFOLLOW, so that neither a link in the download folder nor one slipped in
between check and use leads anywhere else. File descriptors close themselves
when the last user drops them: a reader in a thread is never left with a number
that means another file by now.
"""

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from axon.errors import StorageError

__all__ = ["Descriptor", "Folder", "refused"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO put in a file's place must not hang us.
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Descriptor(int):
    """An open file descriptor; closed when nothing refers to it any more."""

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self)


def refused(error: OSError, doing: str, path: str, wanted: int = 0) -> NoReturn:
    """Raise `StorageError` for an error of the system."""
    reason = error.strerror or str(error)
    if error.errno == errno.ELOOP:
        reason = "it is a symbolic link, or behind one, and these are not followed"
    size = f" {wanted} bytes" if wanted else ""
    raise StorageError(
        f"cannot {doing}{size} {path!r}: {reason}", errno=error.errno or 0, path=path, wanted=wanted
    ) from error


class Folder:
    """The download folder; made when something is first written. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._root: Descriptor | None = None
        self._last: tuple[tuple[str, ...], Descriptor] | None = None  # files come folder by folder

    def show(self, path: tuple[str, ...]) -> str:
        """Return a path for messages."""
        return str(self.root.joinpath(*path))

    def open(
        self, path: tuple[str, ...], *, write: bool, create: bool = False, mode: int = 0o666
    ) -> Descriptor:
        """Open a regular file.

        Raises
        ------
        FileNotFoundError
            If it is not there and not `create`.
        StorageError
            If it is anything but a regular file, behind a symbolic link, or the system refuses.
        """
        flags = _FILE | (os.O_RDWR if write else os.O_RDONLY) | (os.O_CREAT if create else 0)
        try:
            with self._parent(path, create) as parent:
                fd = Descriptor(os.open(path[-1], flags, mode, dir_fd=parent))
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not create:
                raise
            refused(error, "open", self.show(path))
        return fd

    def stat(self, path: tuple[str, ...]) -> os.stat_result | None:
        """Return the status of a regular file, or None if there is none."""
        try:
            with self._parent(path, False) as parent:
                status = os.stat(path[-1], dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            refused(error, "look at", self.show(path))
        return status if stat.S_ISREG(status.st_mode) else None

    def link(self, path: tuple[str, ...], target: tuple[str, ...]) -> None:
        """Make a relative symbolic link between two places in this folder, unless something is there."""
        common = 0
        while common < len(path) - 1 and common < len(target) - 1 and path[common] == target[common]:
            common += 1
        text = "/".join([".."] * (len(path) - 1 - common) + list(target[common:]))
        try:
            with self._parent(path, True) as parent, contextlib.suppress(FileExistsError):
                os.symlink(text, path[-1], dir_fd=parent)
        except OSError as error:
            refused(error, "link", self.show(path))

    def remove(self, path: tuple[str, ...]) -> None:
        """Remove a file; that it is not there is fine."""
        try:
            with self._parent(path, False) as parent:
                os.unlink(path[-1], dir_fd=parent)
        except FileNotFoundError:
            pass
        except OSError as error:
            refused(error, "remove", self.show(path))

    def close(self) -> None:
        """Let go of the folder itself."""
        with self._lock:
            self._root = self._last = None

    @contextlib.contextmanager
    def _parent(self, path: tuple[str, ...], create: bool) -> Iterator[Descriptor]:
        """Open the folder that holds `path`, making it if `create`."""
        folders = path[:-1]
        with self._lock:
            if self._last is not None and self._last[0] == folders and os.fstat(self._last[1]).st_nlink:
                parent = self._last[1]
            else:
                parent = self._walk(folders, create)
                self._last = (folders, parent)
        yield parent

    def _walk(self, folders: tuple[str, ...], create: bool) -> Descriptor:
        # The root itself may be a link or behind one: the user chose it.
        if self._root is None or not os.fstat(self._root).st_nlink:
            if create:
                self.root.mkdir(parents=True, exist_ok=True)
            self._root = Descriptor(os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        here = self._root
        for name in folders:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=here)
            try:
                here = Descriptor(os.open(name, _DIRECTORY, dir_fd=here))
            except NotADirectoryError:  # what O_DIRECTORY says of a link
                if stat.S_ISLNK(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                raise
        return here
