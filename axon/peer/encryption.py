"""The exchange at the start of a connection that settles whether it is encrypted (MSE)."""

import socket
from collections.abc import Callable

import trio

from axon.bt.handshake import PROTOCOL
from axon.bt.mse import Crypto, Encryption, EncryptionHandshake
from axon.errors import RemoteProtocolError
from axon.ids import InfoHash
from axon.peer.policy import Policy

__all__ = ["Opening", "answer", "ask"]

Opening = tuple[Encryption | None, bytes]  # for all that follows, and payload that has come already
_CHUNK = 4096  # bytes
_PATIENCE = 10.0  # seconds for whoever we dialled to do its part


async def ask(sock: socket.socket, policy: Policy, torrent: InfoHash, first: bytes) -> Opening:
    """Begin, having dialled: `first` goes out with the exchange.

    Raises
    ------
    RemoteProtocolError, OSError
        If the other side does not answer in kind or in time, or hangs up.
    """
    with trio.move_on_after(_PATIENCE):
        return await _exchange(sock, EncryptionHandshake(_offer(policy), info_hash=torrent, first=first))
    raise RemoteProtocolError("encryption: no answer")


async def answer(
    sock: socket.socket,
    policy: Policy,
    find: Callable[[bytes], InfoHash | None],
    admits: Callable[[], bool] = lambda: True,
) -> Opening:
    """Find out what an incoming connection is, and do our part; errors as `ask`.

    `find` names the torrent of a digest; `admits` says whether this host may cost us another exchange.
    """
    start = b""
    while len(start) < len(PROTOCOL) and PROTOCOL.startswith(start):
        start += await _receive(sock, len(PROTOCOL) - len(start))
    if start == PROTOCOL:
        if policy is Policy.REQUIRE:
            raise RemoteProtocolError("a plain connection, where encryption is required")
        return None, start
    if not admits():
        raise RemoteProtocolError("encryption: too many exchanges of this host")
    exchange = EncryptionHandshake(_offer(policy), find=find)
    exchange.receive(start)
    return await _exchange(sock, exchange)


async def _exchange(sock: socket.socket, exchange: EncryptionHandshake) -> Opening:
    while True:
        data = exchange.data_to_send()
        while data:
            try:
                data = data[sock.send(data) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(sock)
        if exchange.done:
            return exchange.encryption, exchange.rest
        exchange.receive(await _receive(sock, _CHUNK))


async def _receive(sock: socket.socket, most: int) -> bytes:
    while True:
        try:
            data = sock.recv(most)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(sock)
            continue
        if not data:
            raise ConnectionResetError(0, "the peer hung up while encryption was agreed")
        return data


def _offer(policy: Policy) -> Crypto:
    return Crypto.RC4 if policy is Policy.REQUIRE else Crypto.PLAIN | Crypto.RC4
