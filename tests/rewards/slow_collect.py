"""`collect` once more, one receipt at a time, for small epochs: (edges by keys, who was refused for what)."""

from collections.abc import Iterable
from itertools import combinations

from axon.errors import ReceiptError
from axon.ids import NodeKey
from axon.receipts import Receipt, Reject, Scope, conflict

Edge = tuple[NodeKey, NodeKey]


def collect_slowly(
    sources: Iterable[Iterable[bytes]], scope: Scope, torrent_blocks: int
) -> tuple[dict[Edge, int], set[tuple[bytes, Reject]]]:
    refused = set()
    good = []
    for raw in {raw for source in sources for raw in source}:
        try:
            receipt = Receipt.parse(raw)
        except ReceiptError:
            refused.add((raw, Reject.MALFORMED))
            continue
        if receipt.scope != scope:
            refused.add((raw, Reject.SCOPE))
        elif not receipt.verifies():
            refused.add((raw, Reject.SIGNATURE))
        else:
            good.append(receipt)
    guilty = {a.downloader for a, b in combinations(good, 2) if conflict(a, b)}
    latest = {
        receipt.ledger: receipt
        for receipt in sorted(good, key=lambda receipt: (receipt.sequence, receipt.blocks))
    }
    kept = {}
    for receipt in latest.values():
        others = [r for r in latest.values() if r.downloader == receipt.downloader != r.uploader]
        if receipt.downloader == receipt.uploader:
            refused.add((receipt.serialize(), Reject.PARTY))
        elif receipt.downloader in guilty:
            refused.add((receipt.serialize(), Reject.EQUIVOCATION))
        elif sum(r.blocks for r in others) > torrent_blocks + torrent_blocks // 50:
            refused.add((receipt.serialize(), Reject.SET_RULE))
        else:
            kept[receipt.downloader, receipt.uploader] = receipt.blocks
    return kept, refused
