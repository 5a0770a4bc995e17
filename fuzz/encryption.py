"""The target that reads encrypted connections' first bytes (MSE)."""

from collections.abc import Sequence
from hashlib import sha1
from random import Random

from fuzz.target import Run, Target

__all__ = ["TARGETS"]

_TORRENT = b"h" * 20
_KEY = (2).to_bytes(96)  # of the secret 1: the common secret is then the other side's public key


def _encryption() -> Run:
    from axon.bt.mse import Crypto, Encryption, EncryptionHandshake, torrent_digest
    from axon.ids import InfoHash

    torrent = InfoHash(_TORRENT)
    digest = torrent_digest(torrent)

    def run(data: bytes) -> None:
        """Byte 0: our side, what we offer, and how far the exchange has come; byte 1: where it is cut."""
        if len(data) < 2:
            return
        options, cut, stream = data[0], data[1] + 1, data[2:]
        answers = bool(options & 1)
        end = EncryptionHandshake(
            Crypto(1 + (options >> 1) % 3),
            info_hash=None if answers else torrent,
            find=lambda asked: torrent if asked == digest else None,
            first=b"f" * 68,
            random=Random(options).randbytes,
        )
        begun = end.data_to_send()
        if options & 8:  # what follows is decrypted as it should be
            end.receive(_KEY)
            shared = (begun or end.data_to_send())[:96]
            mine, other = (sha1(name + shared + _TORRENT).digest() for name in (b"keyA", b"keyB"))
            cipher = Encryption(mine, other) if answers else Encryption(other, mine)
            if answers:
                third = sha1(b"req3" + shared).digest()
                masked = int.from_bytes(digest) ^ int.from_bytes(third)
                end.receive(sha1(b"req1" + shared).digest() + masked.to_bytes(20))
            stream = cipher.encrypt(stream)
        step = max(cut, len(stream) // 200)
        for start in range(0, len(stream), step):
            end.receive(stream[start : start + step])
        assert len(end.data_to_send()) <= 2048 and len(end.rest) <= len(stream)
        assert end.done or len(end._in) <= 65535

    return run


def _encryption_seeds() -> Sequence[bytes]:
    asks = bytes(8) + (3).to_bytes(4) + (5).to_bytes(2) + b"*" * 5 + (68).to_bytes(2) + b"f" * 68
    tells = [bytes(8) + chosen.to_bytes(4) + (3).to_bytes(2) + b"***payload" for chosen in (1, 2)]
    return [
        *(bytes([8 + 1 + offer, cut]) + asks for offer in (0, 2, 4) for cut in (0, 255)),
        *(bytes([8 + offer, 255]) + told for offer in (0, 2, 4) for told in tells),
        *(bytes([side, 200]) + _KEY + b"*" * 600 for side in (4, 5)),
        bytes([5, 255]) + bytes(96),
        bytes([13, 255]) + asks[:-70] + b"\xff\xff" + b"x" * 65535,
    ]


TARGETS = (
    Target(
        "encryption",
        _encryption,
        _encryption_seeds,
        ("axon.bt.mse",),
        (bytes(8), b"\0\0\0\1", b"\0\0\0\2", b"\0\0\0\3", b"\x02\0", b"\x02\x01", b"\xff\xff"),
        max_input=68 * 1024,
    ),
)
