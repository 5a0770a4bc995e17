"""Who plays in the demo: a seed, honest hosts of different strength, a free rider, and a pair that lies."""

from dataclasses import dataclass
from typing import Final

__all__ = ["LIARS", "Role", "cast"]

LIARS: Final = "attests to its twin"
_STRENGTHS: Final = (24, 12, 6)  # MB/s of upload, in turn


@dataclass(frozen=True, slots=True)
class Role:
    """One peer of the swarm."""

    name: str
    part: str  # what it is, for the table
    max_up: int = 0  # bytes a second; 0: it runs no program
    weight: int = 0  # how much the publisher trusts its receipts


def cast(peers: int) -> tuple[Role, list[Role], list[Role]]:
    """Cast the seed, `peers` downloaders (at least three), and the two who lie."""
    seed = Role("seed", "publisher's seed", 32_000_000)
    downloaders = [Role("canary", "publisher's canary", 2_000_000, weight=3)]
    for k in range(peers - 2):
        strength = _STRENGTHS[k % len(_STRENGTHS)]
        downloaders.append(
            Role(f"host-{k + 1}", f"host, {strength} MB/s", strength * 1_000_000, weight=int(k == 0))
        )
    downloaders.append(Role("rider", "free rider", 1))
    return seed, downloaders, [Role("mallory", LIARS), Role("malloy", LIARS)]
