"""The tracker behind its own certificate: answers, refuses what is no TLS, and winds down."""

import socket
import ssl
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from axon.tracker.__main__ import main
from tests.tracker.running import Running, tracker

ANNOUNCE = (
    b"GET /announce?info_hash=tttttttttttttttttttt&peer_id=-XX0000-aaaaaaaaaaaa&port=%d HTTP/1.1\r\n%s\r\n"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Paths of a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tracker")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def running(certificate: tuple[Path, Path]) -> Iterator[Running]:
    cert, key = certificate
    with tracker("--plain", "--tls-cert", str(cert), "--tls-key", str(key)) as it:
        assert "https" in it.where and "http" not in it.where
        yield it


def exchange(running: Running, certificate: tuple[Path, Path], data: bytes) -> bytes:
    context = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        socket.create_connection(running.http[0], timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        sock.sendall(data)
        with sock.makefile("rb") as answer:
            return answer.read()


def test_requests_of_all_kinds_are_answered_over_one_connection(
    running: Running, certificate: tuple[Path, Path]
) -> None:
    data = ANNOUNCE % (7, b"") + b"GET /health HTTP/1.1\r\n\r\n" + ANNOUNCE % (8, b"Connection: close\r\n")
    got = exchange(running, certificate, data)
    assert got.count(b"HTTP/1.1 200 OK") == 3 and b"ok\n" in got
    assert b"5:peers6:\x7f\0\0\1\0\7" in got and b"11:external ip4:\x7f\0\0\1" in got


def test_what_is_no_handshake_ends_that_connection_only(
    running: Running, certificate: tuple[Path, Path]
) -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(500), b"\x16", b""):
        with socket.create_connection(running.http[0], timeout=20) as sock:
            sock.sendall(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by reset
    with socket.create_connection(running.http[0], timeout=20) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while sock.recv(4096):
            pass
    bye = b"Connection: close\r\n"
    assert exchange(running, certificate, ANNOUNCE % (9, bye)).startswith(b"HTTP/1.1 200 OK")


def test_it_ends_cleanly_even_when_told_so_at_once(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with tracker("--plain", "--tls-cert", str(cert), "--tls-key", str(key)) as it:
        assert it.stop() == 0


def test_a_key_that_is_none_is_one_clear_line(
    certificate: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    cert = str(certificate[0])
    assert main(["--http", "127.0.0.1:0", "--udp", "none", "--tls-cert", cert, "--tls-key", cert]) == 1
    assert capsys.readouterr().err.startswith("axon tracker: TLS certificate ")
