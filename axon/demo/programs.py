"""Programs of ours, run as a stranger would run them: processes that report in JSON lines."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from axon.errors import AxonError

__all__ = ["Program", "run_to_end"]

_GRACE = 20  # seconds that a program has to stop by itself


class Program:
    """One process; `events` collects what it prints, line by line.

    Attributes
    ----------
    name : str
        For people.
    events : list of dict
        All JSON lines so far.
    """

    def __init__(self, name: str, process: trio.Process, log: Path) -> None:
        self.name = name
        self.events: list[dict[str, Any]] = []
        self._process = process
        self._log = log
        self._news = trio.Event()
        self._over = False
        self._asked = False

    @classmethod
    @asynccontextmanager
    async def running(
        cls, nursery: trio.Nursery, name: str, module: str, arguments: Sequence[str], log: Path
    ) -> AsyncIterator["Program"]:
        """Start ``python -m module arguments``; stop it at the end, whatever happens."""
        with log.open("wb") as stderr:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, stderr=stderr
            )
        program = cls(name, process, log)
        nursery.start_soon(program._read)
        try:
            yield program
        finally:
            with trio.CancelScope(shield=True):
                await program.stop()

    async def event(self, name: str, seconds: float) -> dict[str, Any]:
        """Wait for an event of that name, or one with such a key, and return it.

        Raises
        ------
        AxonError
            If the program ends first, or takes longer.
        """
        with trio.move_on_after(seconds):
            while True:
                for event in self.events:
                    if event.get("event") == name or name in event:
                        return event
                if self._over:
                    raise AxonError(f"{self.name} ended before {name!r}: {self.complaint()}")
                self._news = trio.Event()
                await self._news.wait()
        raise AxonError(f"{self.name}: no {name!r} within {seconds:g} s: {self.complaint()}")

    def complaint(self) -> str:
        """Return the last line that it wrote to stderr."""
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def terminate(self) -> None:
        """Ask it to stop, without waiting."""
        if not self._asked and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._asked = True

    async def stop(self) -> int:
        """Ask it to stop (SIGTERM), insist after a while, and return its exit code."""
        self.terminate()
        if self._process.poll() is None:
            with trio.move_on_after(_GRACE):
                await self._process.wait()
        if self._process.poll() is None:
            self._process.kill()
        return await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        async for data in self._process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    self.events.append(event)
            self._news.set()
        self._over = True
        self._news.set()


async def run_to_end(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run ``python -m module arguments`` and return the JSON object that it prints.

    Raises
    ------
    AxonError
        If it fails; with its complaint.
    """
    done = await trio.run_process(
        [sys.executable, "-m", module, *arguments], capture_stdout=True, capture_stderr=True, check=False
    )
    if done.returncode:
        raise AxonError(f"{module} {arguments[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(answer, dict)
    return answer
