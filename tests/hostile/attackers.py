"""Raw sockets that misbehave towards a peer process, servers that misbehave towards a downloader."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from axon.bt.handshake import Handshake, Reserved
from axon.ids import InfoHash, PeerId

__all__ = ["Attacker", "answering", "frame", "resident"]

RESERVED = Reserved.FAST | Reserved.EXTENDED


def frame(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IB", 1 + len(payload), kind) + payload


class Attacker:
    """A connection to a peer that has said its handshake, or not."""

    def __init__(self, port: int, info_hash: bytes | None, peer_id: bytes = b"-XX0000-attacker....") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        if info_hash is not None:
            self.sock.sendall(Handshake(InfoHash(info_hash), PeerId(peer_id), RESERVED).serialize())
            assert len(self.read(68)) == 68

    def read(self, count: int) -> bytes:
        """Up to so many bytes; fewer if the other side hung up."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while len(data) < count and (part := self.sock.recv(count - len(data))):
                data += part
        return data

    def send(self, data: bytes) -> None:
        """Send what is taken; the other side may have hung up."""
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def dropped(self, most: float = 15.0) -> bool:
        """Whether the other side hangs up within so many seconds."""
        self.sock.settimeout(most)
        try:
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self.sock.close()


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server on a port of the system's choice; `serve` gets each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def one(sock: socket.socket) -> None:
        sock.settimeout(30)
        with contextlib.suppress(OSError), sock:
            serve(sock)

    def accept() -> None:
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                sock, _ = listener.accept()
                threading.Thread(target=one, args=(sock,), daemon=True).start()

    listener.settimeout(0.2)
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        thread.join()
        listener.close()


def resident(pid: int) -> int:
    """The most memory that a process ever had resident, bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError(f"no process {pid}")
