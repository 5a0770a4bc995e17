"""Web seeds: an HTTP server as one more peer that has everything (BEP 19).

A web seed asks the picker for runs of blocks as peers do, and fetches each run
by range requests over one kept connection. A server that answers with other
bytes than asked for is given up for a while; one whose pieces fail their
hash, for good.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

import trio

from axon.bt.metainfo import Metainfo
from axon.bt.picker import BLOCK_SIZE
from axon.peer.contributor import Contributor
from axon.peer.http import HttpError, HttpSession
from axon.peer.upload import joined

if TYPE_CHECKING:
    from axon.peer.swarm import Swarm

__all__ = ["WebSeed", "file_url", "parse_content_range"]

_RUN = 128  # blocks fetched at once: 2 MiB
_TIMEOUT = 60.0  # seconds for one request
_RETRY, _MAX_RETRY = 10.0, 600.0  # seconds
_IDLE = 1.0  # seconds between looks while there is nothing to fetch
_RANGE = re.compile(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20}|\*)", re.ASCII)


def file_url(base: str, metainfo: Metainfo, number: int) -> str:
    """Return where a web seed keeps a file: the URL itself, or a path below it if that ends in a slash.

    A torrent of several files always has them below (BEP 19).
    """
    file = metainfo.files[number]
    # Names that are no UTF-8 are asked for byte by byte, as the author's server has them.
    parts = (part.encode("utf-8", "surrogateescape") for part in file.original or file.path)
    path = "/".join(quote(part, safe="") for part in parts)
    if len([one for one in metainfo.files if not one.pad]) > 1 or len(file.path) > 1:
        return f"{base.rstrip('/')}/{path}"
    return base + path if base.endswith("/") else base


def parse_content_range(text: str) -> tuple[int, int, int | None]:
    """Read ``bytes FIRST-LAST/TOTAL``; TOTAL may be ``*``.

    Raises
    ------
    HttpError
        If it is anything else.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise HttpError(f"content-range {text[:60]!r}")
    first, last, total = match.groups()
    return int(first), int(last), None if total == "*" else int(total)


class WebSeed(Contributor):
    """One server of one torrent.

    Attributes
    ----------
    error : str or None
        What went wrong last.
    """

    def __init__(self, swarm: "Swarm", url: str) -> None:
        self._swarm = swarm
        self.url = url
        self.error: str | None = None
        self.received = 0  # payload bytes
        self._banned = False
        self._session = HttpSession()

    def ban(self) -> None:
        """It sent bad data: nothing more from there."""
        self._banned = True
        self.error = "sent bad data"

    async def run(self) -> None:
        """Fetch until everything is here, it is banned, or cancelled."""
        content = self._swarm.content
        assert content is not None
        content.picker.peer_joined(self)
        content.picker.peer_has_all(self)
        failures = 0
        try:
            while not self._banned and not content.picker.complete:
                if self._swarm.paused or self._swarm.down.wait(trio.current_time()):
                    await trio.sleep(max(0.05, self._swarm.down.wait(trio.current_time())))
                    continue
                blocks = content.picker.pick(self, _RUN, trio.current_time())
                if not blocks:
                    await trio.sleep(_IDLE)
                    continue
                try:
                    for run in _runs(blocks):
                        await self._fetch(content.metainfo, *run)
                    failures, self.error = 0, None
                except HttpError as error:
                    self.error = str(error)
                    failures += 1
                    await self._session.close()
                    content.picker.release(self)
                    self._swarm.stir()
                    await trio.sleep(min(_RETRY * 2.0 ** (failures - 1), _MAX_RETRY))
        finally:
            content.picker.peer_gone(self)
            with trio.CancelScope(shield=True):
                await self._session.close()

    async def _fetch(self, metainfo: Metainfo, index: int, begin: int, length: int) -> None:
        """Fetch one run of blocks of a piece, and hand them on."""
        data = bytearray()
        for number, offset, size in metainfo.spans(index, begin, length):
            if metainfo.files[number].pad:
                data += bytes(size)
            else:
                data += await self._range(metainfo, number, offset, size)
        view = memoryview(data)
        now = trio.current_time()
        self._swarm.down.spend(length, now)
        self.received += length
        blocks = [view[at : at + BLOCK_SIZE] for at in range(0, length, BLOCK_SIZE)]
        self._swarm.exchange.take(self, index, begin, blocks)
        self._swarm.exchange.pause()

    async def _range(self, metainfo: Metainfo, number: int, offset: int, size: int) -> bytes:
        total = metainfo.files[number].length
        response = await self._session.get(
            file_url(self.url, metainfo, number),
            limit=size,
            timeout=_TIMEOUT,
            headers={"Range": f"bytes={offset}-{offset + size - 1}", "Accept-Encoding": "identity"},
        )
        if response.status == 206:
            first, last, whole = parse_content_range(response.headers.get("content-range", ""))
            if (first, last) != (offset, offset + size - 1) or whole not in (None, total):
                raise HttpError(
                    f"range {first}-{last} of {whole}, want {offset}-{offset + size - 1} of {total}"
                )
        elif response.status != 200 or (offset, size) != (0, total):
            raise HttpError(f"HTTP status {response.status}, want 206")
        if len(response.body) != size:
            raise HttpError(f"{len(response.body)} bytes, want {size}")
        return response.body


def _runs(blocks: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    return joined(list(blocks))
