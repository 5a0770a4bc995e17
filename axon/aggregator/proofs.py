"""A reward proof: made from an epoch, kept in a file that says what it proves, wrapped for the contract."""

import json
from dataclasses import dataclass
from typing import Any, Self

from axon.errors import ConfigError, ProofRejected
from axon.ids import Epoch, format_account, parse_account
from axon.rewards.air import Statement, log_rows_for, reward_air, reward_trace
from axon.rewards.epoch import RebuiltEpoch
from axon.stark import Air, Options, Proof, named, prove, verify

__all__ = ["ProofFile", "check_rows", "envelope", "make_proof", "unwrap"]

_PAD = 8  # zero bytes behind a proof on-chain: the contract reads whole words


def check_rows(epoch: RebuiltEpoch, options: Options) -> int:
    """Return log2 of the rows that an epoch's proof has.

    Raises
    ------
    ConfigError
        If the options (and so the verifier that was printed for them) admit fewer.
    """
    edges = epoch.collected.edges
    log_rows = log_rows_for(len(edges), edges.n, options)
    if log_rows > options.max_log_rows:
        raise ConfigError(
            f"{len(edges)} edges and {edges.n} peers need 2^{log_rows} rows,"
            f" {options.name} admits 2^{options.max_log_rows}: the pool needs a larger verifier"
        )
    return log_rows


def make_proof(epoch: RebuiltEpoch, statement: Statement, seed: bytes, options: Options) -> bytes:
    """Prove that the shares are those of the receipts behind the root; return the proof's bytes."""
    air = epoch.air(options)
    trace = reward_trace(
        epoch.collected.edges,
        epoch.pretrust,
        epoch.collected.joined,
        statement.c,
        statement.c_e,
        epoch.rewards,
        air.rows(options),
    )
    return prove(air, trace, statement.public(), options, attested_seed=seed).to_bytes()


def envelope(air: Air, proof: bytes) -> bytes:
    """Wrap a proof for `pool.settle`: log2 of the rows, the proof, eight zero bytes (docs/verifier.md)."""
    return bytes((air.log_rows,)) + proof + bytes(_PAD)


def unwrap(data: bytes) -> tuple[int, bytes]:
    """Return log2 of the rows and the proof.

    Raises
    ------
    ProofRejected
        If `data` is no wrapped proof.
    """
    if len(data) <= 1 + _PAD or any(data[-_PAD:]):
        raise ProofRejected("envelope", f"{len(data)} bytes, want log2 of the rows, a proof, {_PAD} zeros")
    return data[0], data[1:-_PAD]


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A proof with its statement, for whoever wants to check it without a chain."""

    log_rows: int
    options: str  # a named set of `axon.stark`
    statement: Statement
    proof: bytes

    def check(self) -> float:
        """Verify; return the proven bits of security.

        Raises
        ------
        ProofRejected
            If the proof does not show the statement.
        ConfigError
            If there is no such set of options, or no AIR of that length.
        """
        self.statement.check()
        options, air = named(self.options), reward_air(self.log_rows)
        options.check(air)
        verify(air, self.statement.public(), Proof.from_bytes(self.proof), options)
        return options.security_bits(air)

    def serialize(self) -> bytes:
        """Return the JSON."""
        s = self.statement
        fields: dict[str, Any] = {
            "air": "axr-1",
            "log_rows": self.log_rows,
            "options": self.options,
            "chain_id": s.chain_id,
            "pool": format_account(s.pool),
            "epoch": s.epoch,
            "submitter": format_account(s.submitter),
            "root": s.root.hex(),
            "c": s.c,
            "c_e": s.c_e,
            "sum_trust": s.sum_trust,
            "sum_pretrust": s.sum_pretrust,
            "shares": list(s.shares),
            "proof": self.proof.hex(),
        }
        return json.dumps(fields, indent=1).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the JSON.

        Raises
        ------
        ProofRejected
            If it is malformed.
        """
        try:
            top: Any = json.loads(data)
            if top["air"] != "axr-1":
                raise ValueError(f"AIR {top['air']!r}, want axr-1")
            numbers = [
                _natural(top[name])
                for name in ("chain_id", "epoch", "c", "c_e", "sum_trust", "sum_pretrust", "log_rows")
            ]
            chain_id, epoch, c, c_e, sum_trust, sum_pretrust, log_rows = numbers
            if not 3 <= log_rows <= 26:
                raise ValueError(f"2^{log_rows} rows")
            statement = Statement(
                chain_id,
                parse_account(top["pool"]),
                Epoch(epoch),
                parse_account(top["submitter"]),
                bytes.fromhex(top["root"]),
                c,
                c_e,
                sum_trust,
                sum_pretrust,
                tuple(_natural(share) for share in top["shares"]),
            )
            return cls(log_rows, str(top["options"]), statement, bytes.fromhex(top["proof"]))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, ConfigError) as error:
            raise ProofRejected("file", f"{error!r:.200}") from error


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 256:
        raise ValueError(f"{value!r:.60} is no number from 0")
    return value
