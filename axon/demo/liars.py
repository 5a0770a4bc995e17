"""Two identities that attest to each other what never moved, in receipts that pass every formal check."""

import http.client
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from axon.bt.inclusion import ACCEPTED, decode_answer
from axon.errors import AxonError
from axon.ids import PieceIndex
from axon.keys import NodeSecret
from axon.receipts import AckedBlocks, PieceAck, Receipt, Scope

__all__ = ["fake_receipts", "hand_in"]


def fake_receipts(
    scope: Scope, pair: Sequence[NodeSecret], pieces: int, blocks_a_piece: int
) -> list[Receipt]:
    """Let each of two keys acknowledge the whole torrent from the other."""
    receipts = []
    for downloader, uploader in (pair, pair[::-1]):
        acked = AckedBlocks(PieceAck.of(piece, range(blocks_a_piece)) for piece in range(pieces))
        receipt = Receipt(
            *scope,
            downloader.public,
            uploader.public,
            PieceIndex(pieces - 1),
            acked.blocks,
            1,
            acked.root(),
            int(time.time()),
        )
        receipts.append(receipt.signed(downloader))
    return receipts


def hand_in(receipts: Sequence[Receipt], tracker: str) -> int:
    """Submit to a tracker; return how many it took.

    Raises
    ------
    AxonError
        If it does not answer.
    """
    body = b"".join(receipt.serialize() for receipt in receipts)
    connection = http.client.HTTPConnection(urlsplit(tracker).netloc, timeout=20)
    try:
        connection.request("POST", "/receipts", body)
        answer = connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        raise AxonError(f"{tracker}: {error!r}") from error
    finally:
        connection.close()
    verdicts, _ = decode_answer(answer, body)
    return sum(verdict.status in ACCEPTED for verdict in verdicts)
