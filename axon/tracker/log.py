"""The tracker's log."""

import json
import sys
import time
import traceback
from typing import Final

__all__ = ["Faults", "Log"]

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


class Faults:
    """Bugs met while serving, which must not end it: all are counted, one a second is logged."""

    def __init__(self, log: Log) -> None:
        self.count = 0
        self._log = log
        self._told = float("-inf")

    def __call__(self, where: str, error: Exception) -> None:
        """Note one."""
        self.count += 1
        now = time.monotonic()
        if now - self._told >= 1:
            self._told = now
            frame = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{frame.filename}:{frame.lineno}"
            self._log("error", "bug", where=where, error=repr(error), at=at, so_far=self.count)
