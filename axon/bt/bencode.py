"""Bencode behind a guard (BEP 3).

The package bencode.py does the coding. It recurses, accepts overlong strings
and non-canonical forms, and raises whatever it meets; so one iterative pass
over the bytes goes first and refuses everything that it should not see. What
`decode` accepts, `encode` gives back byte for byte.
"""

import re
from typing import Any, Final

from bencodepy import Bencached, BencodeDecoder, BencodeEncoder

from axon.errors import BencodeError

__all__ = ["MAX_DEPTH", "MAX_ITEMS", "Raw", "decode", "decode_prefix", "decode_spans", "encode"]

MAX_DEPTH: Final = 100  # lists and dictionaries inside one another; deeper ones exhaust the decoder's stack
MAX_ITEMS: Final = 1_000_000  # values and keys; about 100 bytes of memory each once decoded

# One token at the cursor: a string's length, an integer, an opening or the closing bracket. Leading
# zeros, -0 and signs on lengths do not match. 20 digits hold any 64-bit number.
_TOKEN = re.compile(rb"(0|[1-9][0-9]{0,19}):|i(0|-?[1-9][0-9]{0,19})e|([ld])|e")
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1

_decoder = BencodeDecoder(max_depth=MAX_DEPTH)

# Bytes that are bencoded already: `encode` copies `Raw(data)` as it stands (an `info` of another's making).
Raw = Bencached


def decode(
    data: bytes | bytearray | memoryview,
    *,
    max_depth: int = MAX_DEPTH,
    max_items: int = MAX_ITEMS,
    strict: bool = True,
) -> Any:
    """Decode one value that fills `data`.

    Parameters
    ----------
    data : bytes-like
    max_depth : int
        Containers inside one another, at most `MAX_DEPTH`.
    max_items : int
        Values and keys together.
    strict : bool
        Refuse dictionaries whose keys are not in ascending order. Repeated keys are refused always.

    Returns
    -------
    int, bytes, list or dict with bytes keys

    Raises
    ------
    BencodeError
        If `data` is not one canonical value, holds more after it, or exceeds a limit.
    """
    value, end = decode_prefix(data, max_depth=max_depth, max_items=max_items, strict=strict)
    if end != len(data):
        raise BencodeError(f"{len(data) - end} bytes after the value's end at {end}")
    return value


def decode_prefix(
    data: bytes | bytearray | memoryview,
    *,
    max_depth: int = MAX_DEPTH,
    max_items: int = MAX_ITEMS,
    strict: bool = True,
) -> tuple[Any, int]:
    """Decode the value that `data` begins with; return it and its end (in `ut_metadata` raw bytes follow).

    Raises
    ------
    BencodeError
        As `decode`, but bytes after the value are no error.
    """
    raw = bytes(data)
    end = _scan(raw, min(max_depth, MAX_DEPTH), max_items, strict, None)
    return _decoder.decode(raw[:end]), end


def decode_spans(
    data: bytes, *, max_items: int = MAX_ITEMS, strict: bool = True
) -> tuple[dict[bytes, Any], dict[bytes, tuple[int, int]]]:
    """Decode a dictionary, and say by key where in `data` each value begins and ends.

    An info-hash covers these bytes as they are, never a re-encoding of them.

    Raises
    ------
    BencodeError
        If `data` is not one dictionary, or as `decode`.
    """
    if data[:1] != b"d":
        raise BencodeError(f"got {data[:1]!r} at 0, want a dictionary")
    found: dict[bytes, tuple[int, int]] = {}
    end = _scan(data, MAX_DEPTH, max_items, strict, found)
    if end != len(data):
        raise BencodeError(f"{len(data) - end} bytes after the value's end at {end}")
    return _decoder.decode(data), found


def encode(value: Any) -> bytes:
    """Encode integers, bytes, str (as UTF-8), lists, tuples, dictionaries and `Raw`; keys are sorted here.

    Raises
    ------
    BencodeError
        If `value` holds anything else, or what `decode` would refuse.
    """
    try:
        raw = bytes(BencodeEncoder().encode(value))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise BencodeError(f"cannot encode {type(value).__name__}: {error!r}") from error
    if _scan(raw, MAX_DEPTH, MAX_ITEMS, False, None) != len(raw):
        raise BencodeError("a raw part is not one bencoded value")
    return raw


def _scan(
    data: bytes, max_depth: int, max_items: int, strict: bool, top: dict[bytes, tuple[int, int]] | None
) -> int:
    """Walk over the value at 0 without recursion; return its end, and fill `top` with the outermost spans."""
    size = len(data)
    match = _TOKEN.match
    position = 0
    items = 0
    # One frame for each open container: None in a list; in a dictionary the keys seen, or when
    # strict only the last of them.
    stack: list[set[bytes] | None] = []
    last: list[bytes | None] = []  # the key whose value is awaited next, per frame
    previous: list[bytes | None] = []  # the key before it, per frame
    began = 0
    while True:
        token = match(data, position)
        if token is None:
            got = data[position : position + 24]
            raise BencodeError(
                f"got {got!r} at {position}, want a value" if got else f"ends early, at {position}"
            )
        kind = token.lastindex
        start, position = position, token.end()
        closed = False
        if kind == 1:  # a string: a value, or a key
            length = int(token[1])
            if length > size - position:
                raise BencodeError(f"string of {length} bytes at {start}, but {size - position} are left")
            position += length
            if stack and stack[-1] is not None and last[-1] is None:
                key = data[position - length : position]
                before = previous[-1]
                if key in stack[-1]:
                    raise BencodeError(f"key {key[:40]!r} at {start} is repeated")
                if strict and before is not None and key < before:
                    raise BencodeError(f"key {key[:40]!r} at {start} after {before[:40]!r}: not sorted")
                stack[-1].add(key)
                previous[-1] = last[-1] = key
                items += 1
                if len(stack) == 1:
                    began = position
                continue
            closed = True
        elif stack and stack[-1] is not None and last[-1] is None and kind is not None:
            raise BencodeError(f"got {token[0][:24]!r} at {start}, want a key")
        elif kind == 2:
            if not _INT_MIN <= int(token[2]) <= _INT_MAX:
                raise BencodeError(f"integer {token[2].decode()} at {start} exceeds 64 bits")
            closed = True
        elif kind == 3:
            if len(stack) >= max_depth:
                raise BencodeError(f"nested deeper than {max_depth} at {start}")
            stack.append(set() if token[3] == b"d" else None)
            last.append(None)
            previous.append(None)
        else:
            if not stack:
                raise BencodeError(f"got b'e' at {start}, want a value")
            if last[-1] is not None:
                raise BencodeError(f"key {last[-1][:40]!r} has no value at {start}")
            stack.pop()
            last.pop()
            previous.pop()
            closed = True
        if kind is not None:
            items += 1
            if items > max_items:
                raise BencodeError(f"more than {max_items} items at {start}")
        if closed:
            if not stack:
                return position
            if len(stack) == 1 and top is not None and last[-1] is not None:
                top[last[-1]] = (began, position)
            last[-1] = None
