"""What one epoch came to: a table, JSON, and a picture.

The Sybil bound: identities without the publisher's weight have λ of the pre-trust between them, and a
set with pre-trust p_A that only attests to itself earns at most p_A/3 (docs/reward.md). So the
bound says what part of the reward all of them together could take, however many they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axon.errors import StorageError
from axon.ids import format_account
from axon.rewards.epoch import RebuiltEpoch

__all__ = ["EpochReport", "PeerRow"]

_TRUST = 1 << 36
_SHARE = 1 << 48


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One peer of the epoch."""

    index: int
    account: str | None  # None: not joined, and so not paid
    node_key: str | None  # None: a binding that does not hold, or left
    served: int  # blocks acknowledged to it
    downloaded: int  # blocks that it acknowledged
    pretrust: int  # units of 2^-36
    trust: int  # units of 2^-36
    share: int  # units of 2^-48; 0 if not joined


@dataclass(slots=True)
class EpochReport:
    """Everything that is known of an epoch; `figures` holds what proof and settlement cost."""

    epoch: RebuiltEpoch
    figures: dict[str, Any] = field(default_factory=dict)

    def peers(self) -> list[PeerRow]:
        """Return a row for each peer, joined ones first."""
        epoch, collected = self.epoch, self.epoch.collected
        edges = collected.edges
        served, downloaded = [0] * edges.n, [int(b) for b in edges.row_sums()]
        for j, b in zip(edges.dst.tolist(), edges.blocks.tolist(), strict=True):
            served[j] += b
        return [
            PeerRow(
                k,
                format_account(collected.accounts[k]) if k < collected.joined else None,
                key.hex() if key is not None else None,
                served[k],
                downloaded[k],
                int(epoch.pretrust[k]),
                int(epoch.rewards.trust[k]),
                int(epoch.rewards.shares[k]) if k < collected.joined else 0,
            )
            for k, key in enumerate((*collected.keys, *[None] * (edges.n - len(collected.keys))))
        ]

    def sybil_bound(self) -> float:
        """Return the part of the reward that identities without weight could take by lying together."""
        epoch = self.epoch
        weighted = {key for key, weight in epoch.rules.weights if weight > 0}
        fresh = sum(
            int(p)
            for p, key in zip(epoch.pretrust, epoch.collected.keys, strict=False)
            if key not in weighted
        )
        return fresh / 3 / (int(epoch.rewards.earned.sum()) + epoch.rules.c_e)

    def refusals(self) -> dict[str, int]:
        """Return how many receipts were refused, by reason."""
        counts: dict[str, int] = {}
        for refused in self.epoch.collected.refused:
            counts[refused.reason.name] = counts.get(refused.reason.name, 0) + 1
        return counts

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        epoch, scope = self.epoch, self.epoch.rules.scope
        return {
            "chain_id": scope.chain_id,
            "pool": format_account(scope.pool),
            "epoch": scope.epoch,
            "info_hash": scope.info_hash.hex(),
            "edges": len(epoch.collected.edges),
            "rollover": epoch.rewards.rollover,
            "sybil_bound": self.sybil_bound(),
            "peers": [{name: getattr(row, name) for name in PeerRow.__slots__} for row in self.peers()],
            "refused": [
                {"receipt": r.receipt.hex(), "reason": r.reason.name, "detail": r.detail}
                for r in epoch.collected.refused
            ],
            "equivocations": [
                {
                    "downloader": proof.first.downloader.hex(),
                    "first": proof.first.serialize().hex(),
                    "second": proof.second.serialize().hex(),
                }
                for proof in epoch.collected.equivocations
            ],
            **self.figures,
        }

    def write(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.png``.

        Raises
        ------
        StorageError
            If the disk refuses.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "report.json").write_text(json.dumps(self.to_json(), indent=1) + "\n", "utf-8")
            draw(self, folder / "report.png")
        except OSError as error:
            raise StorageError(f"report {folder}: {error.strerror or error}") from error


def draw(report: EpochReport, path: Path) -> None:
    """Draw bytes by peer, trust against bytes, shares against bytes' shares, and what it cost."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = report.peers()
    top = sorted(rows, key=lambda row: (-row.served, row.index))[:24]
    names = [str(row.index) if row.account else f"({row.index})" for row in top]
    figure = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(figure)
    (volume, trust), (shares, text) = figure.subplots(2, 2)
    at = range(len(top))
    volume.bar([x - 0.2 for x in at], [row.served / 64 for row in top], 0.4, label="served", color="#1f6f54")
    volume.bar([x + 0.2 for x in at], [row.downloaded / 64 for row in top], 0.4, label="got", color="#bbbbbb")
    volume.set_xticks(at, names)
    volume.set_ylabel("MiB by receipts")
    volume.set_title("Bytes by peer (in brackets: not joined)")
    volume.legend(frameon=False)
    trust.scatter([row.served / 64 for row in rows], [100 * row.trust / _TRUST for row in rows], s=14)
    trust.set_xlabel("MiB served")
    trust.set_ylabel("trust, % of the pre-trust")
    trust.set_title("Trust against bytes")
    total = sum(row.served for row in rows) or 1
    shares.bar(
        [x - 0.2 for x in at],
        [100 * row.served / total for row in top],
        0.4,
        label="if bytes were paid",
        color="#bbbbbb",
    )
    shares.bar(
        [x + 0.2 for x in at],
        [100 * row.share / _SHARE for row in top],
        0.4,
        label="AXR-1",
        color="#1f6f54",
    )
    shares.axhline(
        100 * report.sybil_bound(),
        color="#c0392b",
        linestyle="--",
        label="all unweighted identities, by lying: at most",
    )
    shares.set_xticks(at, names)
    shares.set_ylabel("% of the reward")
    shares.set_title("Shares")
    shares.legend(frameon=False)
    text.axis("off")
    text.text(0, 1, "\n".join(_lines(report)), va="top", family="monospace", transform=text.transAxes)
    figure.savefig(path, dpi=110)


def _lines(report: EpochReport) -> list[str]:
    scope, collected = report.epoch.rules.scope, report.epoch.collected
    lines = [
        f"pool      {format_account(scope.pool)}",
        f"epoch     {scope.epoch} on chain {scope.chain_id}",
        f"peers     {collected.edges.n}, {collected.joined} joined",
        f"edges     {len(collected.edges)}",
        f"refused   {len(collected.refused)} {_counts(report.refusals())}",
        f"caught    {len(collected.equivocations)} contradictions",
        f"rollover  {report.epoch.rewards.rollover / _SHARE:.2%}",
        f"Sybils    at most {report.sybil_bound():.2%}",
    ]
    return lines + [
        f"{name:<9} {value:.4g}" if isinstance(value, float) else f"{name:<9} {str(value)[:44]}"
        for name, value in report.figures.items()
        if isinstance(value, int | float | str)
    ]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
