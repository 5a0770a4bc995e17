"""JSON of strangers.

The decoder of the standard library recurses in C, and stops only at Python's recursion limit.
Libraries raise that limit for themselves (py-ecc to 100,000), and then a hundred
kilobytes of ``[`` end the process. So brackets are matched first, without recursion.
"""

import json
import re
from typing import Any, Final

__all__ = ["MAX_DEPTH", "loads"]

MAX_DEPTH: Final = 16  # arrays and objects inside one another; ours need five
_MAX_STRINGS: Final = 1 << 21  # and escapes; a tracker that names its differences writes two keys for each
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))


def loads(data: bytes) -> Any:
    """Read JSON in UTF-8.

    Raises
    ------
    ValueError
        If it is malformed, nested deeper than `MAX_DEPTH`, or has more than two million strings.
    """
    escapes, quotes = data.count(b"\\"), data.count(b'"')
    if escapes > _MAX_STRINGS or quotes > 2 * _MAX_STRINGS + escapes:
        raise ValueError(f"{quotes} quotes and {escapes} backslashes, too many")
    rest = _ESCAPE.sub(b"", data) if escapes else data
    rest = _STRING.sub(b"", rest.translate(None, _OTHERS))
    for _ in range(MAX_DEPTH):
        less = rest.replace(b"[]", b"").replace(b"{}", b"")
        if len(less) == len(rest):
            break
        rest = less
    if rest:
        raise ValueError(f"brackets do not match, or are nested deeper than {MAX_DEPTH}")
    return json.loads(data.decode("utf-8"))
