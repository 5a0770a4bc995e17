"""A bug that one request meets costs that request, is logged, and nobody else notices."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from axon.tracker.app import App
from axon.tracker.connection_id import ConnectionIds
from axon.tracker.http import HttpLoop, bind_http
from axon.tracker.http_stream import StreamTasks
from axon.tracker.log import Faults, Log
from axon.tracker.logic import Counters, Policy, Tracker
from axon.tracker.swarms import Answer, Swarms
from axon.tracker.udp import bind_udp, serve_plain

BAD, GOOD = b"\xbb" * 20, b"\x99" * 20


class Faulty(Swarms):
    """A store with a bug in one torrent."""

    def announce(
        self, info_hash: bytes, family: int, key: bytes, *, left: int, event: int, want: int, tick: int
    ) -> Answer:
        if info_hash == BAD:
            raise ZeroDivisionError("a bug")
        return super().announce(info_hash, family, key, left=left, event=event, want=want, tick=tick)


def made() -> Tracker:
    return Tracker(Faulty(1, 1 << 20), Policy(1800, 0, 900, max_want=50), ConnectionIds(300), Counters())


def query(info_hash: bytes, *, close: bool = False) -> bytes:
    text = "".join(f"%{byte:02x}" for byte in info_hash)
    head = f"GET /announce?info_hash={text}&peer_id={'x' * 20}&port=6881&left=1 HTTP/1.1\r\nHost: t\r\n"
    return (head + ("Connection: close\r\n" if close else "") + "\r\n").encode()


@asynccontextmanager
async def http_server(faults: Faults) -> AsyncIterator[int]:
    app = App(made(), trusted=(), clock=trio.current_time, connections=lambda: 0)
    tasks = StreamTasks(app, trio.current_time, 60, faults)
    sock = bind_http("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:

        def detach(client: socket.socket, address: bytes, data: bytes) -> None:
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(client))
            nursery.start_soon(tasks.serve, stream, address, data)

        loop = HttpLoop(app, trio.current_time, limit=100, idle=60, detach=detach, fault=faults)
        loop.listen(sock)
        nursery.start_soon(loop.run)
        yield sock.getsockname()[1]
        nursery.cancel_scope.cancel()
    loop.close()


async def test_of_http_connections_only_the_one_that_met_the_bug_is_closed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    faults = Faults(Log("info", False))
    with trio.fail_after(60):
        async with http_server(faults) as port:
            bystander = await trio.open_tcp_stream("127.0.0.1", port)
            await bystander.send_all(query(GOOD))
            assert b"interval" in await bystander.receive_some()
            for first in (b"", query(GOOD)):  # with its first request, and on a connection that served
                victim = await trio.open_tcp_stream("127.0.0.1", port)
                await victim.send_all(first + query(BAD))
                while await victim.receive_some():
                    pass
            await bystander.send_all(query(GOOD))
            assert b"interval" in await bystander.receive_some()
            late = await trio.open_tcp_stream("127.0.0.1", port)
            await late.send_all(query(GOOD, close=True))
            assert b"interval" in await late.receive_some()
    assert faults.count == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1  # a flood of bugs is not a flood of lines
    assert "ZeroDivisionError('a bug')" in said and "test_faults.py" in said


async def test_a_udp_datagram_that_meets_the_bug_is_dropped() -> None:
    faults = Faults(Log("info", False))
    sock = bind_udp("127.0.0.1", 0)
    server = sock.getsockname()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                serve_plain, sock, made(), trio.current_time, lambda data, address: None, faults
            )
            with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                await client.connect(server)
                await client.send(struct.pack(">QII", 0x41727101980, 0, 1))
                connection = (await client.recv(2048))[8:16]
                for number, info_hash in enumerate((BAD, GOOD)):
                    announce = connection + struct.pack(">II", 1, number) + info_hash + b"x" * 20
                    announce += struct.pack(">QQQIIIiH", 0, 1, 0, 0, 0, 0, -1, 6881)
                    await client.send(announce)
                answer = await client.recv(2048)
            assert struct.unpack(">II", answer[:8]) == (1, 1)  # to the second
            nursery.cancel_scope.cancel()
    sock.close()
    assert faults.count == 1
