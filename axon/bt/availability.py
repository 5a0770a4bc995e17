"""How many peers have each piece: sets of pieces by rarity (`piece_sets.py`).

A whole peer is counted in or out with a few word-wise operations a level instead of a loop over its
pieces. Single pieces, which a large swarm tells thousands of every second, are gathered and counted
in together when somebody asks. `picker.py` asks which of its candidates are rarest.
"""

from axon.bt.piece_sets import Gathering, PieceSets

__all__ = ["Availability"]

_LAYERS = 8  # a piece that so many peers told of since the last count is worth a count


class Availability:
    """Every piece at the level that says how many peers have it; seeds are counted apart."""

    __slots__ = ("_layers", "_levels", "_sets", "seeds")

    def __init__(self, sets: PieceSets) -> None:
        self._sets = sets
        self._levels = [sets.all]
        self._layers: list[Gathering] = []  # not counted in yet; a piece is once in each at most
        self.seeds = 0

    def add_one(self, index: int) -> None:
        """Count one piece of a peer in."""
        for layer in self._layers:
            if layer.add(index):
                return
        if len(self._layers) == _LAYERS:
            self._count()
        self._layers.append(Gathering(self._sets))
        self._layers[-1].add(index)

    def add(self, pieces: int) -> None:
        """Count a peer's pieces in."""
        levels = self._levels
        if pieces & levels[-1]:
            levels.append(0)
        for level in range(len(levels) - 2, -1, -1):
            moved = levels[level] & pieces
            if moved:
                levels[level] ^= moved
                levels[level + 1] |= moved
                pieces ^= moved
                if not pieces:
                    return

    def remove(self, pieces: int) -> None:
        """Count a peer's pieces out; they must have been counted in."""
        self._count()
        levels = self._levels
        for level in range(1, len(levels)):
            moved = levels[level] & pieces
            if moved:
                levels[level] ^= moved
                levels[level - 1] |= moved
                pieces ^= moved
        while len(levels) > 1 and not levels[-1]:
            levels.pop()

    def of(self, bit: int) -> int:
        """Return how many peers have the piece whose set is `bit`."""
        self._count()
        return self.seeds + next(level for level, pieces in enumerate(self._levels) if pieces & bit)

    def rarest(self, among: int) -> int:
        """Return the subset of `among` that the fewest peers have."""
        self._count()
        for pieces in self._levels:
            if rare := pieces & among:
                return rare
        return 0

    def copies(self, total: int) -> float:
        """Return the distributed copies: whole ones, and the fraction of pieces above that."""
        if not total:
            return 0.0
        self._count()
        level = next(level for level, pieces in enumerate(self._levels) if pieces)
        return self.seeds + level + 1 - self._levels[level].bit_count() / total

    def _count(self) -> None:
        layers, self._layers = self._layers, []
        for layer in layers:
            self.add(layer.pieces)
