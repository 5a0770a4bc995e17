"""How long a proof will be, for choosing options: the sum of the sections of docs/proof-system.md."""

from __future__ import annotations

from axon.stark.air import Air
from axon.stark.commitment import sibling_count
from axon.stark.options import Options
from axon.stark.proof import HEADER
from axon.stark.transcript import Tag, Transcript

__all__ = ["expected_bytes"]

_DRAWS = 8  # multi-proofs depend on the positions: averaged over so many


def expected_bytes(air: Air, options: Options) -> int:
    """Mean length of a proof, to within a percent or so; a single one varies by a few percent."""
    program, segments = air.program(), options.quotient_segments(air)
    attested, main, auxiliary = air.widths()
    widths = [w for w in (attested, main, 3 * auxiliary, 3 * (segments + 1)) if w]
    folds, digest = options.folds(air.log_rows), options.digest_bytes
    fixed = len(HEADER) + 8  # and the nonce
    fixed += digest * (len(widths) - bool(attested) + len(folds))
    fixed += 24 * (len(program.cells) + segments + options.final_length(air.log_rows))
    transcript, opened = Transcript(), 0
    for draw in range(_DRAWS):
        transcript.absorb(Tag.NONCE, bytes((draw,)))
        log_size = air.log_rows + options.log_blowup
        known = sorted(set(transcript.positions(options.queries, log_size)))
        opened += len(known) * sum(8 * w + options.salt_length for w in widths)
        opened += len(widths) * digest * sibling_count(known, log_size)
        for fold in folds:
            groups = sorted({p >> fold for p in known})
            opened += 24 * ((len(groups) << fold) - len(known))
            log_size -= fold
            opened += digest * sibling_count(groups, log_size)
            known = groups
    return fixed + opened // _DRAWS
