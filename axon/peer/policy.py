"""Whether connections are encrypted (MSE): what a user may choose, and what follows for dialling."""

import enum

__all__ = ["Policy"]


class Policy(enum.StrEnum):
    """Which connections to make and to take."""

    OFF = "off"  # plain ones
    ALLOW = "allow"  # both; plain ones first
    PREFER = "prefer"  # both; encrypted ones first
    REQUIRE = "require"  # RC4 only

    def ways(self, worked: bool | None) -> tuple[bool, ...]:
        """Whether to encrypt when dialling, in the order to try; `worked` is what did the last time."""
        if self is Policy.OFF or self is Policy.REQUIRE:
            return (self is Policy.REQUIRE,)
        first = self is Policy.PREFER if worked is None else worked
        return (first, not first)
