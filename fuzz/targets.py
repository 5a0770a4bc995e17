"""All targets, by name."""

from fuzz import dht, encryption, others, torrents, trackers, wire
from fuzz.target import Target

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (torrents, wire, encryption, dht, trackers, others)
    for target in module.TARGETS
}
