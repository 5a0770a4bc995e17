"""Magnet links (BEP 9, 53; v2 hashes as in BEP 52).

``magnet:?xt=urn:btih:<40 hex or 32 base32>&xt=urn:btmh:1220<64 hex>&dn=<name>
&tr=<tracker>&ws=<web seed>&x.pe=<host:port>&so=<0,2,4-6>``
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, quote

from axon.bt.urls import TRACKER_SCHEMES, WEBSEED_SCHEMES, usable
from axon.errors import MetainfoError
from axon.ids import InfoHash

__all__ = ["MAX_FILES_SELECTED", "Magnet"]

MAX_LINK: Final = 64 * 1024  # characters
MAX_FILES_SELECTED: Final = 250_000  # "so=0-99999999999" must not become a list of that length
_MULTIHASH_SHA256 = "1220"  # sha2-256, 32 bytes
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\[\]:/@\s]+)):(\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Magnet:
    """What a magnet link says; at least one hash is there."""

    info_hash: InfoHash | None = None  # v1, 20 bytes
    info_hash_v2: bytes | None = None  # v2, 32 bytes
    name: str | None = None  # as given: show it escaped, and never open it as a path
    trackers: tuple[str, ...] = ()
    webseeds: tuple[str, ...] = ()
    peers: tuple[tuple[str, int], ...] = ()  # (host, port)
    select_only: tuple[int, ...] | None = None  # numbers of the wanted files, ascending; None: all

    @property
    def handshake_hashes(self) -> tuple[InfoHash, ...]:
        """The 20-byte names it has among peers and trackers: v1's, then v2's cut short (BEP 52)."""
        hashes = () if self.info_hash is None else (self.info_hash,)
        return hashes if self.info_hash_v2 is None else (*hashes, InfoHash(self.info_hash_v2[:20]))

    @classmethod
    def parse(cls, link: str) -> Self:
        """Read a link; unknown parameters and unusable trackers, seeds and peers are left out.

        Raises
        ------
        MetainfoError
            If it is no magnet link, has no BitTorrent hash, a malformed one, or two that differ.
        """
        if len(link) > MAX_LINK:
            raise MetainfoError(f"magnet link of {len(link)} characters, at most {MAX_LINK} are read")
        # A command line that is no UTF-8 arrives with surrogates, which can be neither shown nor sent.
        link = link.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        scheme, _, query = link.strip().partition("?")
        if scheme.lower() != "magnet:" or not query:
            raise MetainfoError(f"{link[:60]!r} is no magnet link, want magnet:?xt=urn:btih:...")
        v1 = v2 = None
        name: str | None = None
        trackers, webseeds, peers = list[str](), list[str](), list[tuple[str, int]]()
        selection: str | None = None
        for key, value in parse_qsl(query, errors="replace"):
            # "xt.1", "tr.2": numbered parameters are the older way to repeat one
            match re.sub(r"\.\d+$", "", key.lower()):
                case "xt":
                    one, two = _parse_topic(value)
                    v1, v2 = _same(v1, one), _same(v2, two)
                case "dn":
                    name = name or value
                case "tr" if usable(value, TRACKER_SCHEMES):
                    trackers.append(value)
                case "ws" if usable(value, WEBSEED_SCHEMES):
                    webseeds.append(value)
                case "x.pe":
                    peers += _parse_endpoint(value)
                case "so":
                    selection = value  # the last counts
        if v1 is None and v2 is None:
            raise MetainfoError("magnet link has no xt=urn:btih: or xt=urn:btmh:")
        return cls(
            InfoHash(v1) if v1 is not None else None,
            v2,
            name,
            tuple(dict.fromkeys(trackers)),
            tuple(dict.fromkeys(webseeds)),
            tuple(dict.fromkeys(peers)),
            None if selection is None else _parse_selection(selection),
        )

    def format(self) -> str:
        """Write the link, hashes in hexadecimal; `parse` reads it back equal.

        Raises
        ------
        MetainfoError
            If there is no hash.
        """
        parts = []
        if self.info_hash is not None:
            parts.append(f"xt=urn:btih:{self.info_hash.hex()}")
        if self.info_hash_v2 is not None:
            parts.append(f"xt=urn:btmh:{_MULTIHASH_SHA256}{self.info_hash_v2.hex()}")
        if not parts:
            raise MetainfoError("a magnet link needs a v1 or v2 info-hash")
        if self.name:
            parts.append(f"dn={quote(self.name, safe='')}")
        parts += [f"tr={quote(url, safe='')}" for url in self.trackers]
        parts += [f"ws={quote(url, safe='')}" for url in self.webseeds]
        for host, port in self.peers:
            parts.append(f"x.pe={f'[{host}]' if ':' in host else host}:{port}")
        if self.select_only:
            parts.append(f"so={_format_selection(self.select_only)}")
        return "magnet:?" + "&".join(parts)


def _parse_topic(value: str) -> tuple[bytes | None, bytes | None]:
    """Return the v1 or v2 hash of one exact topic; of another network's, neither."""
    kind, _, text = value.rpartition(":")
    try:
        match kind.lower():
            case "urn:btih" if len(text) == 40:
                return binascii.unhexlify(text), None
            case "urn:btih" if len(text) == 32:
                return base64.b32decode(text, casefold=True), None
            case "urn:btmh" if len(text) == 68 and text.startswith(_MULTIHASH_SHA256):
                return None, binascii.unhexlify(text[4:])
            case "urn:btih" | "urn:btmh":
                raise MetainfoError(
                    f"{kind}: {text[:80]!r} has {len(text)} characters, want 40 hexadecimal or 32 base32 "
                    "(btih), or 1220 and 64 hexadecimal (btmh)"
                )
    except (binascii.Error, ValueError) as error:
        raise MetainfoError(f"{kind}: {text[:80]!r} is not a hash: {error}") from error
    return None, None


def _same(old: bytes | None, new: bytes | None) -> bytes | None:
    if old is not None and new is not None and old != new:
        raise MetainfoError(f"magnet link names two torrents, {old.hex()} and {new.hex()}")
    return new if old is None else old


def _parse_endpoint(value: str) -> list[tuple[str, int]]:
    match = _ENDPOINT.fullmatch(value)
    if match is None or not 0 < int(match[3]) < 65536 or not value.isprintable():
        return []
    return [(match[1] or match[2], int(match[3]))]


def _parse_selection(value: str) -> tuple[int, ...]:
    """Read file numbers and ranges (BEP 53).

    Raises
    ------
    MetainfoError
        If it is malformed or selects too many: to ignore it would fetch what nobody asked for.
    """
    chosen = set[int]()
    left = MAX_FILES_SELECTED
    for part in value.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise MetainfoError(f"so: {part[:40]!r} is neither a file number nor a range")
        low, high = int(match[1]), int(match[2] or match[1])
        left -= high - low + 1  # ranges that overlap count each time: they cost time each time
        if high < low or left < 0:
            raise MetainfoError(f"so: range {part!r} is empty, or over {MAX_FILES_SELECTED} files in all")
        chosen.update(range(low, high + 1))
    return tuple(sorted(chosen))


def _format_selection(numbers: tuple[int, ...]) -> str:
    parts = list[str]()
    numbers = tuple(sorted(set(numbers)))
    start = 0
    for k, number in enumerate(numbers):
        if k + 1 == len(numbers) or numbers[k + 1] != number + 1:
            parts.append(str(number) if k == start else f"{numbers[start]}-{number}")
            start = k + 1
    return ",".join(parts)
