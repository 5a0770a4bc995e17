"""The tracker's log."""

import json
import sys
import time
from typing import Final

__all__ = ["Log"]

_LEVELS: Final = ("debug", "info", "warning", "error")


class Log:
    """Lines on standard error: `time level event key=value …`, or JSON."""

    def __init__(self, level: str, as_json: bool) -> None:
        self._least = _LEVELS.index(level)
        self._json = as_json

    def __call__(self, level: str, event: str, **values: object) -> None:
        """Write one line, if `level` is high enough."""
        if _LEVELS.index(level) < self._least:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._json:
            line = json.dumps({"time": stamp, "level": level, "event": event} | values, default=str)
        else:
            line = " ".join([stamp, level, event, *(f"{k}={v}" for k, v in values.items())])
        print(line, file=sys.stderr, flush=True)
