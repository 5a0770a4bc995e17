"""What a running node tells people (lines, a live table) or programs (JSON lines)."""

import json
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from axon.peer.swarm import Swarm

__all__ = ["Reporter", "format_rate", "format_size", "format_time"]

_LINES = {
    "listening": "listening on {host}:{port}",
    "added": "{name}: {have} of {pieces} pieces here",
    "complete": "{name}: complete and verified",
    "hash_failed": "{name}: piece {piece} had a wrong hash, asked for again",
    "epoch": "epoch {epoch} of pool {pool}",
    "connected": "connected to {peer}, {client}",
    "disconnected": "{peer}: {why}",
    "warning": "{message}",
    "stopping": "stopping",
}


def format_size(count: float) -> str:
    """Write bytes for people, in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def format_rate(rate: float) -> str:
    """Write bytes a second for people."""
    return f"{format_size(rate)}/s"


def format_time(seconds: float) -> str:
    """Write a duration for people."""
    if seconds >= 100 * 3600:
        return "∞"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Reporter:
    """Prints events and progress.

    Parameters
    ----------
    as_json : bool
        One JSON object a line, for programs: ``{"event": …}``.
    quiet : bool
        Errors and the listening address only.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, out: IO[str] | None = None) -> None:
        self._out = out or sys.stdout
        self._json = as_json
        self._quiet = quiet
        self._live: Any = None
        self._rates: dict[int, tuple[float, int, int]] = {}
        self.is_live = not as_json and not quiet and self._out.isatty()

    def emit(self, event: str, facts: dict[str, Any]) -> None:
        """Something happened."""
        if self._json:
            print(json.dumps({"event": event, **facts}), file=self._out, flush=True)
        elif event == "error":
            self._print(f"axon peer: {facts['name']}: {facts['message']}", sys.stderr)
        elif event in _LINES and not (self._quiet and event != "listening"):
            facts = {**facts, "host": f"[{facts['host']}]"} if ":" in str(facts.get("host", "")) else facts
            self._print(_LINES[event].format_map(facts), self._out)

    def _print(self, line: str, out: IO[str]) -> None:
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=out, flush=True)

    def progress(self, swarms: Sequence["Swarm"], now: float) -> None:
        """Called every second."""
        rows = [self._row(swarm, now) for swarm in swarms]
        if self._json:
            for row in rows:
                self.emit("progress", row)
        elif self.is_live:
            self._live_table().update(_table(rows))

    def close(self) -> None:
        """Take the live table off the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _live_table(self) -> Any:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self._out), refresh_per_second=2, transient=True)
            self._live.start()
        return self._live

    def _row(self, swarm: "Swarm", now: float) -> dict[str, Any]:
        down, up = swarm.total_down(), swarm.total_up()
        before, old_down, old_up = self._rates.get(id(swarm), (now - 1.0, down, up))
        passed = max(now - before, 0.001)
        self._rates[id(swarm)] = (now, down, up)
        picker = swarm.content.picker if swarm.content else None
        rate = (down - old_down) / passed
        left = picker.wanted_left if picker else None
        return {
            "name": swarm.name,
            "state": _state(swarm),
            "pieces": swarm.metainfo.num_pieces if swarm.metainfo else None,
            "have": picker.num_have if picker else 0,
            "left": left,
            "length": swarm.metainfo.length if swarm.metainfo else None,
            "down": down,
            "up": up,
            "down_rate": round(rate),
            "up_rate": round((up - old_up) / passed),
            "peers": len(swarm.peers),
            "seeds": sum(peer.conn.peer_is_seed for peer in swarm.peers),
            "eta": None if not left or rate < 1 else round(left / rate),
        }


def _state(swarm: "Swarm") -> str:
    if swarm.paused:
        return "paused"
    if swarm.metainfo is None:
        return "metadata"
    if swarm.content is None:
        return "checking"
    return "seeding" if swarm.content.picker.complete else "downloading"


def _table(rows: Sequence[dict[str, Any]]) -> "RenderableType":
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name in ("", "", "", "down", "up", "peers", "left"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for row in rows[:20]:
        length = row["length"] or 1
        done = length - row["left"] if row["left"] is not None else 0
        table.add_row(
            str(row["name"])[:40],
            ProgressBar(total=length, completed=done, width=24),
            f"{100 * done / length:.1f}%" if row["state"] == "downloading" else row["state"],
            format_rate(row["down_rate"]),
            format_rate(row["up_rate"]),
            f"{row['peers']} ({row['seeds']})",
            format_time(row["eta"]) if row["eta"] is not None else "",
        )
    if len(rows) > 20:
        table.add_row(f"… and {len(rows) - 20} more")
    return table
