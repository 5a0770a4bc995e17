"""What the demo shows when it is over: a table, figures, two plots, or JSON."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from axon.demo.cast import LIARS
from axon.demo.play import Outcome
from axon.stark import Options

__all__ = ["as_json", "draw", "show"]


def show(console: Console, outcome: Outcome, options: Options, bits: float) -> None:
    """Print the table of peers, what lying gained, and what it all cost."""
    table = Table(title="Who served, and what it earned", caption="served and got in MiB, by receipts")
    table.add_column("peer", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("served", justify="right")
    table.add_column("got", justify="right")
    table.add_column("trust", justify="right")
    table.add_column("by bytes", justify="right", style="dim")
    table.add_column("share", justify="right", style="bold")
    for symbol in outcome.symbols:
        table.add_column(symbol, justify="right", no_wrap=True)
    for player in outcome.players:
        table.add_row(
            player.name,
            player.part,
            f"{player.served / 64:.1f}",
            f"{player.downloaded / 64:.1f}",
            f"{player.trust:.2%}",
            f"{player.by_bytes:.2%}",
            f"{player.share:.2%}",
            *(f"{amount / 1e18:.4f}" for amount in player.paid),
            style="red" if player.part == LIARS else "",
        )
    console.print(table)
    liars = [player for player in outcome.players if player.part == LIARS]
    console.print(
        f"The two liars would take [red]{sum(p.by_bytes for p in liars):.1%}[/] if claimed bytes were paid;"
        f" AXR-1 gives them [bold]{sum(p.share for p in liars):.2%}[/]."
    )
    costs = Table(title="What it cost on-chain", show_edge=False)
    for name in ("", "transactions", "gas each"):
        costs.add_column(name, justify="left" if not name else "right")
    for what, spent in outcome.gas.items():
        costs.add_row(what, str(len(spent)), f"{sum(spent) // len(spent):,}")
    console.print(costs)
    console.print(
        f"Proof: {len(outcome.settled.proof) / 1024:.1f} KiB, {bits:.0f} proven bits ({options.name}),"
        f" {len(outcome.settled.epoch.collected.edges)} edges hidden behind one root."
    )


def as_json(outcome: Outcome, bits: float) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "file_bytes": outcome.torrent.length,
        "info_hash": outcome.torrent.info_hash.hex(),
        "peers": [
            {
                "name": p.name,
                "part": p.part,
                "blocks_served": p.served,
                "blocks_downloaded": p.downloaded,
                "pretrust": p.pretrust,
                "trust": p.trust,
                "share_by_bytes": p.by_bytes,
                "share": p.share,
                "paid": dict(zip(outcome.symbols, (str(amount) for amount in p.paid), strict=True)),
            }
            for p in outcome.players
        ],
        "budgets": dict(zip(outcome.symbols, (str(b) for b in outcome.budgets), strict=True)),
        "gas": outcome.gas,
        "proof_bytes": len(outcome.settled.proof),
        "proven_bits": bits,
        "edges": len(outcome.settled.epoch.collected.edges),
        "seconds": outcome.seconds,
    }


def draw(outcome: Outcome, path: Path) -> None:
    """Draw bytes beside shares for each peer, and who served whom."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [player.name for player in outcome.players]
    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    bars, matrix = figure.subplots(1, 2, width_ratios=[3, 2])
    at = np.arange(len(names))
    bars.bar(
        at - 0.2,
        [100 * p.by_bytes for p in outcome.players],
        0.4,
        label="if bytes were paid",
        color="#bbbbbb",
    )
    colours = ["#c0392b" if p.part == LIARS else "#1f6f54" for p in outcome.players]
    bars.bar(at + 0.2, [100 * p.share for p in outcome.players], 0.4, label="AXR-1", color=colours)
    bars.set_xticks(at, names, rotation=30, ha="right")
    bars.set_ylabel("% of the epoch's reward")
    bars.set_title("Claimed bytes, and what they earn")
    bars.legend(frameon=False)
    edges = outcome.settled.epoch.collected.edges
    amounts = np.zeros((edges.n, edges.n))
    amounts[edges.src, edges.dst] = edges.blocks / 64
    shown = matrix.imshow(amounts[: len(names), : len(names)], cmap="Greens")
    matrix.set_xticks(at, names, rotation=45, ha="right")
    matrix.set_yticks(at, names)
    matrix.set_xlabel("served by")
    matrix.set_ylabel("acknowledged by")
    matrix.set_title("Receipts, MiB")
    figure.colorbar(shown, ax=matrix, shrink=0.8)
    figure.savefig(path, dpi=120)
