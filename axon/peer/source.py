"""What a torrent is started from: a .torrent file or a magnet link, and what is wanted of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from axon.bt.extended import clean_text
from axon.bt.magnet import Magnet
from axon.bt.metainfo import MAX_TORRENT, Metainfo, parse_torrent
from axon.errors import ConfigError, MetainfoError
from axon.ids import InfoHash
from axon.peer.config import Address

__all__ = ["TorrentSource", "read_torrent", "select_files"]


@dataclass(frozen=True)
class TorrentSource:
    """One torrent to work on."""

    root: Path  # the folder of its files
    metainfo: Metainfo | None = None
    info_hash: InfoHash | None = None
    info_hash_v2: bytes | None = None
    name: str = ""
    trackers: tuple[tuple[str, ...], ...] = ()
    webseeds: tuple[str, ...] = ()
    peers: tuple[Address, ...] = ()
    files: str | None = None  # see `select_files`
    select_only: tuple[int, ...] = ()  # a magnet link's choice (BEP 53), if `files` says nothing
    sequential: bool = False
    super_seed: bool = False
    seeding: bool = False  # its files are expected to be here already

    @property
    def is_v2(self) -> bool:
        """Does it have a v2 half?"""
        return self.info_hash_v2 is not None

    @property
    def handshake_hashes(self) -> tuple[InfoHash, ...]:
        """Its 20-byte names among peers (BEP 52)."""
        if self.metainfo is not None:
            return self.metainfo.handshake_hashes
        short = () if self.info_hash_v2 is None else (InfoHash(self.info_hash_v2[:20]),)
        return (*((self.info_hash,) if self.info_hash else ()), *short)

    @classmethod
    def from_text(
        cls,
        text: str,
        root: Path,
        peers: tuple[Address, ...] = (),
        *,
        files: str | None = None,
        sequential: bool = False,
        super_seed: bool = False,
        seeding: bool = False,
    ) -> "TorrentSource":
        """Read a magnet link or a .torrent file's path.

        Raises
        ------
        ConfigError, MetainfoError
            If it is neither.
        """
        if text.lower().startswith("magnet:"):
            magnet = Magnet.parse(text)
            return cls(
                root,
                None,
                magnet.info_hash,
                magnet.info_hash_v2,
                clean_text((magnet.name or "magnet link").encode()),
                tuple((url,) for url in magnet.trackers),
                magnet.webseeds,
                peers + magnet.peers,
                files,
                magnet.select_only or (),
                sequential,
                super_seed,
                seeding,
            )
        metainfo = read_torrent(Path(text))
        return cls(
            root,
            metainfo,
            metainfo.info_hash,
            metainfo.info_hash_v2,
            metainfo.name,
            metainfo.trackers,
            metainfo.webseeds,
            peers,
            files,
            (),
            sequential,
            super_seed,
            seeding,
        )


def read_torrent(path: Path) -> Metainfo:
    """Read a .torrent file.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    MetainfoError
        If it is no torrent.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TORRENT + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        return parse_torrent(data)
    except MetainfoError as error:
        raise MetainfoError(f"{path}: {error}") from error


def select_files(metainfo: Metainfo, choice: str | None, only: tuple[int, ...] = ()) -> Mapping[int, int]:
    """Return a priority (0: unwanted … 7) for each file, by number.

    Parameters
    ----------
    choice : str or None
        ``SEL[=PRIORITY],…`` where SEL is a number, a range ``2-5``, or a pattern such as ``*.flac``
        matched against the path and the last name. What nobody names is unwanted. None: everything.
    only : tuple of int
        Numbers of the wanted files, if `choice` is None and there are any (BEP 53).

    Raises
    ------
    ConfigError
        If the choice is malformed or matches nothing.
    """
    real = [number for number, file in enumerate(metainfo.files) if not file.pad]
    if choice is None:
        wanted = set(only) & set(real)
        return {number: 4 if not wanted or number in wanted else 0 for number in real}
    priorities = dict.fromkeys(real, 0)
    for item in choice.split(","):
        selector, _, level = item.strip().partition("=")
        if level and not (level.isdigit() and int(level) <= 7):
            raise ConfigError(f"--files {item!r}: priority {level!r}, want 0 to 7")
        matched = _match(metainfo, real, selector)
        if not matched:
            raise ConfigError(f"--files {item!r} matches none of {len(real)} files")
        for number in matched:
            priorities[number] = int(level) if level else 4
    return priorities


def _match(metainfo: Metainfo, real: list[int], selector: str) -> list[int]:
    """Numbers count the files as `show` does, without pads."""
    first, dash, last = selector.partition("-")
    if first.isdigit() and (not dash or last.isdigit()):
        low, high = int(first), int(last or first)
        return [number for shown, number in enumerate(real) if low <= shown <= high]
    return [
        number
        for number in real
        if fnmatchcase("/".join(metainfo.files[number].path), selector)
        or fnmatchcase(metainfo.files[number].path[-1], selector)
    ]
