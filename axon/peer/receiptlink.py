"""One connection's part in a ledger: its channel, and what waits on it."""

from collections.abc import Callable

from axon.bt.receipt_ext import ReceiptChannel
from axon.bt.tally import START_CREDIT, Given, Taken

__all__ = ["Link"]

_LARGE = 2048  # blocks (32 MiB); two of the largest batches that are hashed together (`batch.py`)


class Link:
    """What `Ledger.link` makes for a connection; compared by identity."""

    __slots__ = (
        "audited",
        "channel",
        "closed",
        "given",
        "hang_up",
        "pending",
        "pending_blocks",
        "pending_since",
        "resume",
        "send",
        "starved",
        "taken",
        "told",
    )

    def __init__(
        self,
        channel: ReceiptChannel,
        send: Callable[[bytes], None],
        resume: Callable[[], None],
        hang_up: Callable[[str], None],
    ) -> None:
        self.channel = channel
        self.send, self.resume, self.hang_up = send, resume, hang_up
        self.given: Given | None = None
        self.taken: Taken | None = None
        self.pending: dict[int, int] = {}  # verified pieces without a receipt: bit k for block k
        self.pending_blocks = 0
        self.pending_since = 0.0
        self.told = 0  # the limit that the peer knows
        self.starved = False  # it was refused blocks for want of receipts
        self.closed = False
        self.audited: dict[int, bool] = {}  # answers to `channel.ask_audit`

    @property
    def receipt_blocks(self) -> int:
        """Blocks that are worth a receipt: half of the credit, for the other half is under way meanwhile."""
        return min(max(self.channel.limit, START_CREDIT) // 2, _LARGE)

    def flush(self) -> None:
        """Hand over what the channel has to say."""
        for payload in self.channel.to_send():
            if not self.closed:
                self.send(payload)
