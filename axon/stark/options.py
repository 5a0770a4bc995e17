"""Parameters of a proof, and the security that they claim.

An `Options` refuses to exist if the proven security of the largest AIR that it admits
falls below its claim (`soundness.py`), and no proof is made or accepted for an AIR
beyond. The named sets, 100 and 128 proven bits each in the Johnson regime:

    ONCHAIN_100, ONCHAIN_128      small proofs: blowup 128 and 64, much grinding; up to 2^16 rows
    COMPACT_100, COMPACT_128      smallest, for gas: blowup 1024 and 2048, seconds; up to 2^14 rows; at 2^13
                                  4 s and 0.7 GB, 15 s and 1.4 GB on two cores
    OFFCHAIN_100, OFFCHAIN_128    fast prover: blowup 8; up to 2^22 rows

`Options.custom` finds the fewest queries for other trades.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from axon.errors import ConfigError
from axon.stark.soundness import Shape, query_count, rounds, security
from axon.stark.soundness import best_multiplicity as _best_multiplicity

if TYPE_CHECKING:
    from axon.stark.air import Air

__all__ = [
    "COMPACT_100",
    "COMPACT_128",
    "OFFCHAIN_100",
    "OFFCHAIN_128",
    "ONCHAIN_100",
    "ONCHAIN_128",
    "Options",
    "named",
]

VERSION = 2  # of the protocol and of the proof's bytes


@dataclass(frozen=True)
class Options:
    """See the module.

    Raises
    ------
    ConfigError
        If a value is out of range, or the claim is not proven for the admitted shapes.
    """

    name: str
    claimed_bits: int  # proven, in `regime`, for every AIR within the limits below
    log_blowup: int  # the evaluation domain is 2^log_blowup times the trace
    queries: int
    grinding_bits: int
    log_fold: int = 3  # FRI folds by 2^log_fold: 1, 2, 3 or 4
    log_final: int = 5  # fold while the polynomial has more than 2^log_final coefficients
    digest_bytes: int = 32  # Merkle nodes, 26..32
    salt_words: int = 2  # 8-byte words of salt a leaf, when zero_knowledge
    zero_knowledge: bool = True
    regime: str = "johnson"
    max_log_rows: int = 20
    max_functions: int = 512
    max_constraints: int = 1024
    max_degree: int = 16
    max_lookups: int = 1 << 10  # fractions in a row times the degree in the challenges

    def __post_init__(self) -> None:
        bounds = {
            "log_blowup": (1, 12),
            "queries": (1, 1024),
            "grinding_bits": (0, 40),
            "log_fold": (1, 4),
            "log_final": (0, 10),
            "digest_bytes": (26, 32),
            "salt_words": (2, 8),
            "max_log_rows": (3, 26),
            "max_functions": (2, 1 << 14),
            "max_constraints": (1, 1 << 16),
            "max_degree": (1, 16),
            "max_lookups": (1, 1 << 20),
            "claimed_bits": (0, 256),
        }
        for field, (low, high) in bounds.items():
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ConfigError(f"options {self.name!r}: {field} is {value!r}, want {low}..{high}")
        if self.max_log_rows + self.log_blowup > 32:
            raise ConfigError(f"options {self.name!r}: domain 2^{self.max_log_rows + self.log_blowup} > 2^32")
        if self.regime not in ("johnson", "unique"):
            raise ConfigError(f"options {self.name!r}: regime {self.regime!r}, want johnson or unique")
        proven = self.security_bits()
        if proven < self.claimed_bits:
            raise ConfigError(
                f"options {self.name!r}: claim {self.claimed_bits} bits, proven are {proven:.2f} "
                f"({self.regime}, 2^{self.max_log_rows} rows)"
            )

    # shape of a proof

    @property
    def random_rows(self) -> int:
        """Rows filled with randomness: one a query, and three a point out of domain (of two, in Fp^3)."""
        return self.queries + 6 if self.zero_knowledge else 0

    @property
    def quotient_blinding(self) -> int:
        """Coefficients of each blinding polynomial between quotient segments: openings at queries and z."""
        return self.queries + 1 if self.zero_knowledge else 0

    @property
    def salt_length(self) -> int:
        """Bytes of salt behind each leaf of a trace or quotient row."""
        return 8 * self.salt_words if self.zero_knowledge else 0

    def folds(self, log_rows: int) -> tuple[int, ...]:
        """log2 of each fold for a trace of 2^log_rows rows."""
        count = max(0, -(-(log_rows - self.log_final) // self.log_fold))
        return tuple(min(self.log_fold, log_rows - k * self.log_fold) for k in range(count))

    def final_length(self, log_rows: int) -> int:
        """Coefficients of the final polynomial."""
        return 1 << (log_rows - sum(self.folds(log_rows)))

    def quotient_degree(self, air: Air) -> int:
        """Highest possible degree of the constraint quotient."""
        n = 1 << air.log_rows
        exempt = self.random_rows + 1  # rows on which constraints need not hold
        degrees = [
            c.degree * (n - 1) + (exempt - n if c.row is None else -1) for c in air.program().constraints
        ]
        return max(*degrees, 0)

    def quotient_segments(self, air: Air) -> int:
        """Into how many polynomials the quotient is cut, each leaving room for its blinding."""
        room = (1 << air.log_rows) - self.quotient_blinding
        if room < 1:
            raise ConfigError(
                f"air {air.name!r}: 2^{air.log_rows} rows, {self.quotient_blinding} for blinding"
            )
        return self.quotient_degree(air) // room + 1

    def quotient_blocks(self, air: Air) -> int:
        """On how many blocks (a power of two) of the domain constraints are evaluated."""
        return 1 << max(0, (self.quotient_degree(air) >> air.log_rows).bit_length())

    def to_bytes(self) -> bytes:
        """What the transcript absorbs (8 bytes): every value that the verifier's work depends on."""
        return bytes(
            (
                VERSION,
                self.log_blowup,
                self.queries >> 8,
                self.queries & 255,
                self.grinding_bits,
                self.log_fold << 4 | self.log_final,
                self.digest_bytes,
                self.salt_words if self.zero_knowledge else 0,
            )
        )

    # security

    def shape(self, air: Air | None = None) -> Shape:
        """What the bounds depend on: of `air`, or of the largest admitted."""
        if air is None:
            log_rows, functions, constraints = self.max_log_rows, self.max_functions, self.max_constraints
            degree, lookups = self.max_degree, self.max_lookups
        else:
            program = air.program()
            log_rows, constraints, degree = air.log_rows, len(program.constraints), air.degree
            functions = len(program.cells) + self.quotient_segments(air) + 1
            lookups = air.lookup_terms
        return Shape(
            log_rows,
            self.log_blowup,
            self.queries,
            self.grinding_bits,
            self.folds(log_rows),
            functions,
            constraints,
            degree,
            lookups << log_rows,
            self.digest_bytes,
        )

    def security_bits(self, air: Air | None = None, regime: str | None = None) -> float:
        """Proven bits for `air`, or for the largest AIR that these options admit.

        `regime` is "johnson", "unique" or "best"; by default the options' own.
        """
        return security(self.shape(air), regime or self.regime)

    def security_report(self, air: Air | None = None) -> dict[str, float]:
        """Bits of each round, in the options' regime."""
        shape = self.shape(air)
        m = _best_multiplicity(shape) if self.regime == "johnson" else 0
        return rounds(shape, self.regime, m)

    def check(self, air: Air) -> None:
        """ConfigError if `air` lies beyond what these options admit."""
        rows = air.rows(self)
        program = air.program()
        if (last := max((c.row or 0 for c in program.constraints), default=0)) >= rows:
            raise ConfigError(
                f"air {air.name!r}: a boundary on row {last}, but {rows} rows under {self.name!r}"
            )
        limits = {
            "log_rows": (air.log_rows, self.max_log_rows),
            "constraints": (len(program.constraints), self.max_constraints),
            "degree": (air.degree, self.max_degree),
            "quotient blocks": (self.quotient_blocks(air), 1 << self.log_blowup),
            "functions": (len(program.cells) + self.quotient_segments(air) + 1, self.max_functions),
            "lookups": (air.lookup_terms, self.max_lookups),
        }
        for name, (got, most) in limits.items():
            if got > most:
                raise ConfigError(f"options {self.name!r}: {name} of {air.name!r} is {got}, at most {most}")
        proven = self.security_bits(air)
        if proven < self.claimed_bits:
            raise ConfigError(
                f"options {self.name!r}: {air.name!r} has {proven:.2f} of {self.claimed_bits} bits"
            )

    @classmethod
    def custom(cls, bits: int, log_blowup: int, grinding_bits: int = 20, **others: object) -> Options:
        """The fewest queries for `bits` at a blowup. ConfigError if none suffice."""
        name = f"custom-{bits}-{1 << log_blowup}"
        loose = replace(_LOOSE, name=name, log_blowup=log_blowup, grinding_bits=grinding_bits, **others)  # type: ignore[arg-type]
        try:
            queries = query_count(loose.shape(), bits)
        except ValueError as none:
            raise ConfigError(f"options {name!r}: {none}") from none
        return replace(loose, queries=queries, claimed_bits=bits)


_LOOSE = Options("loose", 0, 3, 1, 0)

ONCHAIN_100 = Options(
    "onchain-100", 100, log_blowup=7, queries=22, grinding_bits=24, digest_bytes=26, max_log_rows=16
)
ONCHAIN_128 = Options("onchain-128", 128, log_blowup=6, queries=36, grinding_bits=24, max_log_rows=16)
OFFCHAIN_100 = Options(
    "offchain-100", 100, log_blowup=3, queries=54, grinding_bits=20, max_log_rows=22, digest_bytes=26
)
OFFCHAIN_128 = Options("offchain-128", 128, log_blowup=3, queries=74, grinding_bits=20, max_log_rows=20)
COMPACT_100 = Options(
    "compact-100",
    100,
    log_blowup=10,
    queries=15,
    grinding_bits=26,
    digest_bytes=26,
    max_log_rows=14,
)
COMPACT_128 = Options(
    "compact-128",
    128,
    log_blowup=11,
    queries=19,
    grinding_bits=28,
    max_log_rows=14,
    max_functions=256,
)

_NAMED = {o.name: o for o in (ONCHAIN_100, ONCHAIN_128, COMPACT_100, COMPACT_128, OFFCHAIN_100, OFFCHAIN_128)}


def named(name: str) -> Options:
    """A named set. ConfigError for another name."""
    if name not in _NAMED:
        raise ConfigError(f"options: no set {name!r}, there are {', '.join(_NAMED)}")
    return _NAMED[name]
