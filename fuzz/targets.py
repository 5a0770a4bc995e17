"""All targets, by name."""

from fuzz import others, torrents, trackers, wire
from fuzz.target import Target

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target for target in (*torrents.TARGETS, *wire.TARGETS, *trackers.TARGETS, *others.TARGETS)
}
