"""Put the whole system on a chain, and remember where it is.

A deployment is five contracts that nobody owns: the trackers' registry, the
pool that all clones delegate to, the factory, and three distributions. Its
addresses travel as a small JSON file.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from axon.chain.artifacts import artifact
from axon.chain.chain import Chain
from axon.chain.contract import deploy
from axon.errors import ConfigError
from axon.ids import Account, format_account, parse_account

__all__ = ["REWARD_VERIFIERS", "Deployment", "deploy_reward_verifier", "deploy_system"]

REWARD_VERIFIERS = {  # by options
    "compact-100": "stark/axr1_compact_100",
    "compact-128": "stark/axr1_compact_128",
    "onchain-100": "stark/axr1_100",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts of one chain are."""

    chain_id: int
    trackers: Account
    factory: Account
    linear: Account
    decaying: Account
    fixed: Account

    def save(self, path: Path) -> None:
        """Write the addresses as JSON."""
        fields = {k: v if isinstance(v, int) else format_account(v) for k, v in asdict(self).items()}
        path.write_text(json.dumps(fields, indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ConfigError
            If the file is missing or is something else.
        """
        try:
            fields = json.loads(path.read_text("utf-8"))
            chain_id = int(fields.pop("chain_id"))
            return cls(chain_id, **{name: parse_account(text) for name, text in fields.items()})
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise ConfigError(f"deployment {path}: {error}") from error

    def distribution(self, name: str) -> Account:
        """Return the address behind ``linear``, ``decaying``, ``fixed`` or an address.

        Raises
        ------
        ConfigError
            If it is none of them.
        """
        known = {"linear": self.linear, "decaying": self.decaying, "fixed": self.fixed}
        return known[name] if name in known else parse_account(name)


def deploy_system(chain: Chain, trackers: Account | None = None) -> Deployment:
    """Deploy everything; about 8 M gas in six transactions.

    Parameters
    ----------
    trackers : Account, optional
        A registry that is there already.
    """
    registry = trackers or deploy(chain, artifact("trackers")).address
    pool = deploy(chain, artifact("pool"), registry)
    return Deployment(
        chain.chain_id,
        registry,
        deploy(chain, artifact("pool_factory"), pool.address).address,
        deploy(chain, artifact("distribution/linear")).address,
        deploy(chain, artifact("distribution/decaying")).address,
        deploy(chain, artifact("distribution/fixed")).address,
    )


def deploy_reward_verifier(chain: Chain, options: str = "compact-100") -> Account:
    """Deploy the verifier of AXR-1 under a named set of options; about 10 M gas.

    Raises
    ------
    ConfigError
        If no verifier is shipped for `options`.
    """
    if options not in REWARD_VERIFIERS:
        raise ConfigError(f"verifier for {options!r}: there are {', '.join(REWARD_VERIFIERS)}")
    return deploy(chain, artifact(REWARD_VERIFIERS[options])).address
