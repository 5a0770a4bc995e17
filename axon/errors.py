"""Every error that Axon raises on purpose.

The class says whose fault it is, and so what the caller does next: a
`LocalProtocolError` is a bug of ours and may crash; a `RemoteProtocolError`
is a peer's, so hang up and carry on; the others name the thing refused.
Messages hold the numbers: what was got, what was wanted, where.
"""

__all__ = [
    "AxonError",
    "BencodeError",
    "ChainError",
    "ConfigError",
    "LocalProtocolError",
    "MetainfoError",
    "ProofRejected",
    "ProtocolError",
    "ProverError",
    "ReceiptError",
    "RemoteProtocolError",
    "StorageError",
    "TrackerError",
]


class AxonError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(AxonError):
    """A flag, environment variable or configuration file is wrong."""


class BencodeError(AxonError):
    """Bytes that are not canonical bencode, or exceed a limit (BEP 3)."""


class MetainfoError(AxonError):
    """A .torrent file or magnet link that cannot be used (BEP 3, 9, 52)."""


class ProtocolError(AxonError):
    """A rule of a wire protocol was broken."""


class LocalProtocolError(ProtocolError):
    """We broke it: a bug; let it crash."""


class RemoteProtocolError(ProtocolError):
    """They broke it: hang up and carry on."""


class TrackerError(AxonError):
    """A tracker refused, or answered with nonsense."""


class StorageError(AxonError):
    """The disk refused: full, read-only, vanished; the torrent pauses, nothing is lost.

    `errno` is the system's reason (0 if it gave none), `path` the file, `wanted` the bytes asked of it.
    """

    def __init__(self, message: str, *, errno: int = 0, path: str = "", wanted: int = 0) -> None:
        super().__init__(message)
        self.errno = errno
        self.path = path
        self.wanted = wanted


class ReceiptError(AxonError):
    """A receipt that does not count.

    `code` is the reason on the wire (`axon.receipts.Reject`).
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class ChainError(AxonError):
    """A transaction or call failed; the message carries the revert reason."""


class ChainUnreachable(ChainError):
    """The node did not answer, or answered with something else than JSON-RPC; try again later."""


class ProverError(AxonError):
    """No proof: the witness breaks a constraint, or more memory is needed than allowed."""


class ProofRejected(AxonError):
    """The verifier said no; `check` names the check that failed."""

    def __init__(self, check: str, message: str = "") -> None:
        super().__init__(f"{check}: {message}" if message else check)
        self.check = check
