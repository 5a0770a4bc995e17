"""One HTTP/1.1 answer, pure: bytes in, head and body out (RFC 9112).

It believes nothing: head, body, chunks and trailers are bounded, a body by its
plain size, so that gzip bombs stop at the limit. Sockets are `http.py`'s.
"""

import re
import zlib
from enum import Enum

from axon.errors import TrackerError

__all__ = ["HttpError", "ResponseReader"]

_MAX_HEADERS = 32 * 1024  # bytes, status line included
_MAX_CHUNK_LINE = 256  # bytes; a size and its extensions
_MAX_TRAILERS = 64
_SLACK = 64 * 1024  # bytes that a compressed body may be longer than the plain one may
_STATUS = re.compile(r"[1-9][0-9]{2}(?![0-9])")  # "²" is a digit to str.isdigit


class HttpError(TrackerError):
    """The server cannot be reached, or what it sent is not (acceptable) HTTP."""


class _Part(Enum):
    """What comes next."""

    HEAD = "headers"
    COUNTED = "a body of known length"
    SIZE = "a chunk's size"
    CHUNK = "a chunk"
    CHUNK_END = "the end of a chunk"
    TRAILER = "a trailer"
    REST = "a body until the connection closes"
    DONE = "nothing"


class ResponseReader:
    """Reads one answer; interim answers (1xx) are passed over.

    Parameters
    ----------
    limit : int
        Bytes of the body, after decompression.

    Attributes
    ----------
    status : int
    headers : dict
        Names in lower case; the last of a name counts.
    version : str
        ``HTTP/1.1`` or ``HTTP/1.0``.
    reusable : bool
        May another answer follow on the connection: did this one say where it ends, and end there?

    Raises
    ------
    HttpError
        By `receive` and `end`, for anything but a proper answer.
    """

    def __init__(self, limit: int) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.version = ""
        self._limit = limit
        self._buffer = bytearray()
        self._part = _Part.HEAD
        self._delimited = True
        self._left = 0  # bytes of the counted body or the chunk
        self._trailers = 0
        self._sink = _Sink(limit, "")

    @property
    def done(self) -> bool:
        """Is the answer complete?"""
        return self._part is _Part.DONE

    @property
    def reusable(self) -> bool:
        persists = self.version == "HTTP/1.1" and "close" not in self.headers.get("connection", "").lower()
        return persists and self.done and self._delimited and not self._buffer

    def body(self) -> bytes:
        """Return the body of a complete answer."""
        return self._sink.finish()

    def receive(self, data: bytes | bytearray) -> None:
        """Take what the server sent."""
        self._buffer += data
        while self._step():
            pass

    def end(self) -> None:
        """The server hung up."""
        match self._part:
            case _Part.REST:
                self._part = _Part.DONE
            case _Part.HEAD:
                raise HttpError(f"connection closed after {len(self._buffer)} bytes of headers")
            case _Part.COUNTED | _Part.CHUNK:
                raise HttpError(f"body is {self._left} bytes short")
            case _Part.SIZE | _Part.CHUNK_END | _Part.TRAILER:
                raise HttpError("chunk without an end of line")

    def _step(self) -> bool:
        """Read one part as far as it is here; False if more bytes must come first, or none."""
        match self._part:
            case _Part.HEAD:
                return self._head()
            case _Part.COUNTED | _Part.CHUNK:
                self._left -= self._pass_on(self._left)
                if self._left:
                    return False
                self._part = _Part.DONE if self._part is _Part.COUNTED else _Part.CHUNK_END
                return True
            case _Part.REST:
                return self._pass_on(len(self._buffer)) > 0
            case _Part.DONE:
                return False
        line = self._line()
        if line is None:
            return False
        if self._part is _Part.SIZE:
            self._chunk(line)
        elif self._part is _Part.CHUNK_END:
            if line:
                raise HttpError("chunk longer than its size")
            self._part = _Part.SIZE
        else:
            self._trailers += 1
            if self._trailers > _MAX_TRAILERS:
                raise HttpError(f"more than {_MAX_TRAILERS} trailers")
            self._part = _Part.TRAILER if line else _Part.DONE
        return True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEADERS:
                raise HttpError(f"headers of more than {_MAX_HEADERS} bytes")
            return False
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        self.version, _, rest = lines[0].partition(" ")
        if self.version not in ("HTTP/1.1", "HTTP/1.0") or _STATUS.match(rest) is None:
            raise HttpError(f"not HTTP: {lines[0][:60]!r}")
        self.status, self.headers = int(rest[:3]), {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise HttpError(f"header without a colon: {line[:60]!r}")
            self.headers[name.strip().lower()] = value.strip()
        if not 100 <= self.status < 200:
            self._begin_body()
        return True

    def _begin_body(self) -> None:
        headers = self.headers
        coding = headers.get("transfer-encoding", "").strip().lower()
        length = headers.get("content-length")
        self._sink = _Sink(self._limit, headers.get("content-encoding", "").strip().lower())
        if self.status in (204, 304):
            self._part = _Part.DONE
        elif coding == "chunked":
            self._part = _Part.SIZE
        elif coding:
            raise HttpError(f"transfer coding {coding!r} is not chunked")
        elif length is None:
            self._part, self._delimited = _Part.REST, False
        elif length.isascii() and length.isdigit():
            self._part = _Part.COUNTED
            self._expect(int(length))
        else:
            raise HttpError(f"content-length {length!r}")

    def _chunk(self, line: bytes) -> None:
        digits = line.partition(b";")[0].strip()
        try:
            size = int(digits, 16) if len(digits) <= 8 and digits.isalnum() else -1
        except ValueError:
            size = -1
        if size < 0:
            raise HttpError(f"chunk size {digits[:20]!r}")
        self._part = _Part.CHUNK if size else _Part.TRAILER
        self._expect(size)

    def _expect(self, size: int) -> None:
        if size > self._sink.room:
            raise HttpError(f"body of {size} bytes, at most {self._sink.room}")
        self._left = size

    def _pass_on(self, most: int) -> int:
        """Hand up to `most` bytes to the body; how many were there."""
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        if data:
            self._sink.write(data)
        return len(data)

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_CHUNK_LINE:
                raise HttpError("chunk without an end of line")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line


class _Sink:
    """Collects a body of bounded size, decompressing on the way."""

    def __init__(self, limit: int, coding: str) -> None:
        self._parts: list[bytes] = []
        self._limit = limit
        self._size = self._packed = 0
        self._inflate = None
        if coding in ("gzip", "x-gzip", "deflate"):
            self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
        elif coding not in ("", "identity"):
            raise HttpError(f"content coding {coding!r} was not asked for")

    @property
    def room(self) -> int:
        """Bytes that may still come (compressed ones: never more than the plain ones may be)."""
        return self._limit - self._size

    def write(self, data: bytes) -> None:
        if self._inflate is not None:
            # Empty blocks, or bytes behind the stream's end, would unpack to nothing for ever.
            self._packed += len(data)
            if self._packed > self._limit + _SLACK or (data and self._inflate.eof):
                raise HttpError(f"compressed body of more than {self._packed - len(data)} bytes")
            try:
                data = self._inflate.decompress(data, self.room + 1)
            except zlib.error as error:
                raise HttpError(f"compressed body: {error}") from error
            if self._inflate.unconsumed_tail:
                raise HttpError(f"body unpacks to more than {self._limit} bytes")
            if self._inflate.unused_data:
                raise HttpError("bytes after the compressed body")
        self._size += len(data)
        if self._size > self._limit:
            raise HttpError(f"body of more than {self._limit} bytes")
        self._parts.append(data)

    def finish(self) -> bytes:
        if self._inflate is not None and self._parts and not self._inflate.eof:
            raise HttpError("compressed body ends early")
        return b"".join(self._parts)
