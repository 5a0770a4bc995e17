"""An anvil node for tests: a real JSON-RPC node with the transaction gas cap of EIP-7825 on."""

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from web3 import HTTPProvider, Web3

_ROOT = Path(__file__).resolve().parents[2]
# The first accounts of anvil's well-known test mnemonic; worthless anywhere else.
MNEMONIC = "test test test test test test test test test test test junk"


def anvil_program() -> str:
    """Find anvil, or say what to install."""
    local = _ROOT / ".tools" / "node_modules" / ".bin" / "anvil"
    found = str(local) if local.exists() else shutil.which("anvil")
    assert found, "anvil is missing: npm install --prefix .tools (see tests/interop/package.json)"
    return found


@contextmanager
def anvil(*flags: str, port: int = 0) -> Iterator[str]:
    """Run a node on `port`, or one of the system's choice, with more `flags`; yield its URL."""
    command = [anvil_program(), "--port", str(port), "--host", "127.0.0.1", "--hardfork", "osaka", *flags]
    command += [
        "--enable-tx-gas-limit",
        "--accounts",
        "10",
        "--mnemonic",
        MNEMONIC,
        "--gas-limit",
        "60000000",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    drain = None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            match = re.search(r"Listening on ([\d.]+):(\d+)", line)
            if match:
                break
        else:
            raise AssertionError(f"anvil ended with status {process.wait()}")
        drain = threading.Thread(target=process.stdout.read, daemon=True)  # or the pipe fills up
        drain.start()
        yield f"http://{match[1]}:{match[2]}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if drain is not None:
            drain.join()


def rpc(url: str, method: str, *params: Any) -> Any:
    """Call one of anvil's own methods, such as ``evm_increaseTime``."""
    answer = HTTPProvider(url).make_request(method, list(params))  # type: ignore[arg-type]
    assert "error" not in answer, answer
    return answer["result"]


def travel(url: str, seconds: int) -> None:
    """Let time pass and mine a block."""
    rpc(url, "evm_increaseTime", seconds)
    rpc(url, "evm_mine")


def free_port() -> int:
    """Return a port that nothing listens on (for tests of unreachable nodes)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def connected(url: str) -> bool:
    """Tell whether the node answers."""
    return bool(Web3(HTTPProvider(url)).is_connected())
