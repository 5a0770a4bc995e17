"""A node that dies and comes back: anvil with its state in a file, on one port."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.anvil import MNEMONIC, anvil_program

__all__ = ["Node", "node"]


class Node:
    """One anvil; `url` stays the same over restarts."""

    def __init__(self, home: Path, *flags: str) -> None:
        self._state = home / "chain.json"
        self._flags = flags
        self._port = 0
        self.start()

    def start(self) -> None:
        command = [
            anvil_program(),
            "--host",
            "127.0.0.1",
            "--port",
            str(self._port),
            "--state",
            str(self._state),
        ]
        command += ["--hardfork", "osaka", "--gas-limit", "60000000", "--mnemonic", MNEMONIC, *self._flags]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(r"Listening on [\d.]+:(\d+)", line):
                break
        else:
            raise AssertionError(f"anvil ended with status {self.process.wait()}")
        self._port = int(match[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._drain = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._drain.start()

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: SIGTERM saves what happened, SIGKILL forgets what happened since the last save."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)  # anvil of npm is a script that starts the real one
        self.process.wait(20)
        self._drain.join(20)  # the real one has ended as well


@contextmanager
def node(home: Path, *flags: str) -> Iterator[Node]:
    """Run a node; kill it in the end."""
    running = Node(home, *flags)
    try:
        yield running
    finally:
        running.stop(signal.SIGKILL)
