"""A job's folder: each stage leaves a file, whole or not at all, and only one process works in it."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axon.errors import StorageError

__all__ = ["JobFolder"]


class JobFolder:
    """The files of one job.

    Parameters
    ----------
    path : Path
        Made if missing.

    Raises
    ------
    StorageError
        If the disk refuses, here or in any method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(path, error) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; a killed one leaves no lock behind."""
        try:
            file = (self.path / "lock").open("w")
        except OSError as error:
            raise _refused(self.path / "lock", error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StorageError(f"{self.path}: another process works on this job") from error
            yield

    def read(self, name: str) -> bytes | None:
        """Return a stage's file, or None if that stage is still to be done."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(self.path / name, error) from error

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a stage's JSON object."""
        raw = self.read(name)
        if raw is None:
            return None
        try:
            found = json.loads(raw)
        except ValueError as error:
            raise StorageError(f"{self.path / name} is damaged ({error}): delete it and run again") from error
        if not isinstance(found, dict):
            raise StorageError(f"{self.path / name} is damaged: delete it and run again")
        return found

    def write(self, name: str, data: bytes) -> None:
        """Write beside, sync, rename, sync the folder: a power cut leaves the old file or the new one."""
        path = self.path / name
        partial = path.with_name(f".{name}.part")
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            partial.unlink(missing_ok=True)  # a full disk needs every byte
            raise _refused(path, error) from error

    def drop(self, name: str) -> None:
        """Forget a stage."""
        (self.path / name).unlink(missing_ok=True)

    def kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return a stage's file, or do the stage and keep what it makes."""
        found = self.read(name)
        if found is None:
            found = make()
            self.write(name, found)
        return found


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: {error.strerror or error}", errno=error.errno or 0, path=str(path))
