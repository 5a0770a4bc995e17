"""Which torrents are served: an allow list, a deny list, or neither.

A list is a text file, one info-hash of 40 hexadecimal digits a line; blank lines
and what follows ``#`` do not count.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from axon.errors import ConfigError
from axon.ids import parse_info_hash

__all__ = ["Lists"]


@dataclass(frozen=True, slots=True)
class Lists:
    """The two lists; `allowed` None serves everything that is not denied."""

    allowed: frozenset[bytes] | None = None
    denied: frozenset[bytes] = frozenset()

    def permits(self, info_hash: bytes) -> bool:
        """Tell whether a torrent is served."""
        return info_hash not in self.denied and (self.allowed is None or info_hash in self.allowed)

    @classmethod
    def load(cls, allow: Path | None, deny: Path | None) -> Self:
        """Read the files.

        Raises
        ------
        ConfigError
            If one cannot be read or a line is no info-hash; the message names the line.
        """
        return cls(None if allow is None else _read(allow), frozenset() if deny is None else _read(deny))


def _read(path: Path) -> frozenset[bytes]:
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"list {path}: {error}") from error
    hashes = set[bytes]()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                hashes.add(parse_info_hash(text))
            except ConfigError as error:
                raise ConfigError(f"list {path}, line {number}: {error}") from error
    return frozenset(hashes)
