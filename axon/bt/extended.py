"""The extension handshake: which extensions each side speaks, and under which ids (BEP 10).

A bencoded dictionary, sent once after the handshake and again when something
changes. Everything in it is optional and written by strangers: what has the
wrong type is taken as absent, what would do harm is refused. The messages of
the extensions are `metadata.py`'s, `pex.py`'s and others'.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from axon.bt.bencode import decode, encode
from axon.errors import BencodeError, RemoteProtocolError

__all__ = [
    "DEFAULT_REQQ",
    "LT_DONTHAVE",
    "MAX_ITEMS",
    "MAX_METADATA",
    "UPLOAD_ONLY",
    "UT_METADATA",
    "UT_PEX",
    "ExtendedHandshake",
    "clean_text",
]

UT_METADATA = "ut_metadata"  # BEP 9
UT_PEX = "ut_pex"  # BEP 11
LT_DONTHAVE = "lt_donthave"  # BEP 54: payload is a piece index
UPLOAD_ONLY = "upload_only"  # libtorrent's: payload is one byte, 0 or 1

DEFAULT_REQQ = 250  # requests a peer queues when it does not say (libtorrent's figure)
MAX_ITEMS = 2000  # values in a dictionary from a peer; real ones have thirty. Unsorted keys do no harm there
MAX_METADATA = 64 * 1024 * 1024  # bytes of `info` that we believe in
_MAX_REQQ = 4096  # more than this in flight helps nobody
_MAX_CLIENT = 64  # characters shown of a client's name
_MAX_NAMES = 64  # extensions listened to


@dataclass(frozen=True, slots=True)
class ExtendedHandshake:
    """One side's extension handshake; None where nothing was said.

    Ids in `extensions` are what the *other* side puts on messages to the one
    who sent this; id 0 takes an extension back.
    """

    extensions: Mapping[str, int] = field(default_factory=dict)
    client: str | None = None  # `v`; escaped, safe to print
    port: int | None = None  # `p`: where the sender listens
    reqq: int | None = None  # requests that the sender queues, at least 1
    your_ip: bytes | None = None  # 4 or 16 bytes: the receiver's address as the sender sees it
    ipv4: bytes | None = None
    ipv6: bytes | None = None
    metadata_size: int | None = None  # bytes of `info` (BEP 9)
    upload_only: bool | None = None  # BEP 21

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read the payload of an extended message with id 0.

        Raises
        ------
        RemoteProtocolError
            If it is not a dictionary, an id is not in 0..255, or the metadata's
            size is absurd.
        """
        try:
            told = decode(payload, max_items=MAX_ITEMS, strict=False)
        except BencodeError as error:
            raise RemoteProtocolError(f"extension handshake: {error}") from None
        if not isinstance(told, dict):
            raise RemoteProtocolError(f"extension handshake: a {type(told).__name__}, want a dictionary")
        size = _integer(told, b"metadata_size")
        if size is not None and not 0 <= size <= MAX_METADATA:
            raise RemoteProtocolError(f"extension handshake: metadata_size {size}, want 0 to {MAX_METADATA}")
        port = _integer(told, b"p")
        reqq = _integer(told, b"reqq")
        client = told.get(b"v")
        upload_only = _integer(told, b"upload_only")
        return cls(
            extensions=_ids(told.get(b"m", {})),
            client=clean_text(client) if isinstance(client, bytes) else None,
            port=port if port is not None and 0 < port < 65536 else None,
            reqq=None if reqq is None else min(max(reqq, 1), _MAX_REQQ),
            your_ip=_address(told, b"yourip", 4, 16),
            ipv4=_address(told, b"ipv4", 4),
            ipv6=_address(told, b"ipv6", 16),
            metadata_size=size or None,
            upload_only=None if upload_only is None else upload_only != 0,
        )

    def serialize(self) -> bytes:
        """The payload: canonical bencode."""
        told: dict[bytes, Any] = {b"m": {name.encode(): number for name, number in self.extensions.items()}}
        for key, value in (
            (b"v", None if self.client is None else self.client.encode()),
            (b"p", self.port),
            (b"reqq", self.reqq),
            (b"yourip", self.your_ip),
            (b"ipv4", self.ipv4),
            (b"ipv6", self.ipv6),
            (b"metadata_size", self.metadata_size),
            (b"upload_only", None if self.upload_only is None else int(self.upload_only)),
        ):
            if value is not None:
                told[key] = value
        return encode(told)


def clean_text(raw: bytes, limit: int = _MAX_CLIENT) -> str:
    """A stranger's text made safe for a terminal: no control, format or unassigned characters, bounded."""
    text = raw[: 4 * limit].decode("utf-8", "replace")
    safe = "".join(
        c if unicodedata.category(c)[0] not in "CZ" or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return safe[:limit]


def _ids(told: object) -> dict[str, int]:
    if not isinstance(told, dict):
        raise RemoteProtocolError(f"extension handshake: m is a {type(told).__name__}, want a dictionary")
    ids: dict[str, int] = {}
    for name, number in told.items():
        if type(number) is not int or not 0 <= number <= 255:
            raise RemoteProtocolError(
                f"extension handshake: {name[:32]!r} has id {number!r:.40}, want 0 to 255"
            )
        try:
            ids[name.decode("ascii")] = number
        except UnicodeDecodeError:
            continue  # nobody's extension; all known names are ASCII
        if len(ids) == _MAX_NAMES:
            break
    return ids


def _integer(told: dict[bytes, Any], key: bytes) -> int | None:
    value = told.get(key)
    return value if type(value) is int else None


def _address(told: dict[bytes, Any], key: bytes, *sizes: int) -> bytes | None:
    value = told.get(key)
    return value if isinstance(value, bytes) and len(value) in sizes else None
