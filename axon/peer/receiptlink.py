"""One connection's part in a ledger: its channel, and what waits on it."""

from collections.abc import Callable

from axon.bt.receipt_ext import ReceiptChannel
from axon.bt.tally import START_CREDIT, Given, Taken
from axon.peer.batch import MOST
from axon.receipts import BLOCK_SIZE

__all__ = ["Link"]

_LARGE = 3072  # blocks (48 MiB): three batches of sixteen 1 MiB pieces (`batch.py`)


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
        "receipt_blocks",
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
        self.receipt_blocks = START_CREDIT // 2  # that are worth a receipt
        self.told = 0  # the limit that the peer knows
        self.starved = False  # it was refused blocks for want of receipts
        self.closed = False
        self.audited: dict[int, bool] = {}  # answers to `channel.ask_audit`

    def credited(self) -> None:
        """The uploader told our credit: half is worth a receipt, the other half is under way meanwhile."""
        self.receipt_blocks = min(max(self.channel.limit, START_CREDIT) // 2, _LARGE)

    def until_due(self, storing: int) -> int:
        """Bytes of whole pieces that may wait together until a receipt is due; `storing` are being stored.

        Never less than a quarter of what a receipt is worth, for hashing together is worth something too.
        A receipt that is worth a full batch cuts none.
        """
        whole = self.receipt_blocks * BLOCK_SIZE
        if whole >= MOST:
            return MOST
        begun = (self.pending_blocks * BLOCK_SIZE + storing) % whole
        return max(whole - begun, whole // 4)

    def flush(self) -> None:
        """Hand over what the channel has to say."""
        for payload in self.channel.to_send():
            if not self.closed:
                self.send(payload)
