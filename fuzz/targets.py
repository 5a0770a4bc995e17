"""All targets, by name."""

from fuzz import dht, others, torrents, trackers, wire
from fuzz.target import Target

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (*torrents.TARGETS, *wire.TARGETS, *dht.TARGETS, *trackers.TARGETS, *others.TARGETS)
}
