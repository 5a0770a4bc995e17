"""A tracker process for tests, on ports of the system's choice, and plain clients for it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from axon.bt.announce import AnnounceRequest, AnnounceResponse
from axon.bt.tracker_http import announce_url, decode_announce_response
from axon.bt.tracker_udp import ConnectReply, decode_reply, encode_announce, encode_connect


class Running:
    """A started tracker."""

    def __init__(self, process: "subprocess.Popen[str]", where: dict[str, list[str]]) -> None:
        self.process = process
        self.where = where
        self.http = [_endpoint(text) for text in where.get("http", where.get("https", []))]
        self.udp = [_endpoint(text) for text in where["udp"]]

    @property
    def base(self) -> str:
        """The URL of the first HTTP listener."""
        return f"http://{self.where['http'][0]}"

    @property
    def udp_url(self) -> str:
        return f"udp://{self.where['udp'][0]}/announce"

    def get(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Fetch a path; POST if there is a body."""
        try:
            with urllib.request.urlopen(self.base + path, data=body, timeout=30) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def stats(self) -> dict[str, Any]:
        return dict(json.loads(self.get("/stats.json")[1]))

    def announce(self, request: AnnounceRequest) -> AnnounceResponse:
        """Announce by HTTP."""
        with urllib.request.urlopen(announce_url(self.base + "/announce", request), timeout=30) as answer:
            return decode_announce_response(answer.read())

    def announce_udp(self, request: AnnounceRequest, which: int = 0) -> AnnounceResponse:
        """Announce by UDP; what a full buffer loses is sent again (BEP 15), though sooner."""
        family = socket.AF_INET6 if ":" in self.udp[which][0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(self.udp[which])
            connected = decode_reply(asked(sock, encode_connect(7)), 7, family)
            assert isinstance(connected, ConnectReply)
            announce = encode_announce(connected.connection_id, 8, request, self.udp_url)
            answer = decode_reply(asked(sock, announce), 8, family)
            assert isinstance(answer, AnnounceResponse), answer
            return answer

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def asked(sock: socket.socket, request: bytes) -> bytes:
    """The reply to a tracker request, sent by a connected UDP socket again each second, ten times at most."""
    sock.settimeout(1)
    for _ in range(10):
        sock.send(request)
        with contextlib.suppress(TimeoutError):
            while (reply := sock.recv(2048))[4:8] != request[12:16]:  # of another transaction
                pass
            return reply
    raise TimeoutError("no answer to ten datagrams")


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


@contextmanager
def tracker(*arguments: str, env: dict[str, str] | None = None, default: bool = True) -> Iterator[Running]:
    """Start `python -m axon.tracker` on loopback and stop it at the end."""
    listen = ["--http", "127.0.0.1:0", "--udp", "127.0.0.1:0"] if default else []
    process = subprocess.Popen(
        [sys.executable, "-m", "axon.tracker", *listen, "--json", "--log", "warning", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | (env or {}),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the tracker ended with {process.wait(20)}"
        running = Running(process, json.loads(line))
        yield running
        running.stop()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
