"""Pictures of what the aggregator computes, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from axon.aggregator.simulate import Row

__all__ = ["plot_simulation"]


def plot_simulation(rows: Sequence[Row], path: Path) -> None:
    """Draw what part of the reward attackers take: one group of bars a scenario, one bar a function."""
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lowest = 0.05  # per cent
    shown = [row for row in rows if row.measure == "share" and 100 * max(row.values.values()) > lowest]
    names = list(shown[0].values)
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    width = 0.85 / len(names)
    colours = plt.get_cmap("tab10")
    for k, name in enumerate(names):
        ours = name == "AXR-1"
        axes.bar(
            [x + (k - (len(names) - 1) / 2) * width for x in range(len(shown))],
            [100 * row.values[name] for row in shown],
            width,
            label=name,
            color="black" if ours else colours(k),
        )
    labels = [row.scenario.removesuffix(" take").removesuffix(" takes") for row in shown]
    axes.set_xticks(range(len(shown)), [fill(label, 18) for label in labels])
    axes.set_yscale("log")
    axes.set_ylim(lowest, 130)
    axes.set_yticks([0.1, 1, 10, 100], ["0.1 %", "1 %", "10 %", "100 %"])
    axes.set_ylabel("attackers' part of the reward")
    axes.set_title("What made-up receipts earn, by reward function (lower is better)")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)
    figure.savefig(path, dpi=130)
