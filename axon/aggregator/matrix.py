"""The reward matrix: peers × tokens of one pool and epoch, to the last unit what the contract pays.

A payout is a difference of rounded running sums (`axon.chain.shares`), so a token's payouts add
up to what the contract set aside and no dust is left; what the shares lack to the whole, and what
the distribution keeps for later, stays in the pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from axon.chain.artifacts import artifact
from axon.chain.contract import Contract
from axon.chain.pool import Pool
from axon.chain.shares import SHARE_BITS, ShareList
from axon.errors import ChainError, StorageError
from axon.ids import Account, Epoch, format_account

__all__ = ["RewardMatrix", "TokenColumn", "preview_matrix", "settled_matrix", "write_parquet"]

_BASIS_POINTS: Final = 10_000
_WHOLE: Final = 1 << SHARE_BITS


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """One token of the pool in one epoch; all amounts in base units."""

    token: Account
    budget: int  # what the peers would get if their shares added up to the whole
    reserved: int  # what they get: the sum of `payouts`
    fee: int  # the aggregator's
    payouts: tuple[int, ...]  # by index of the member


@dataclass(frozen=True, slots=True)
class RewardMatrix:
    """One epoch's rewards."""

    pool: Account
    epoch: Epoch
    settled: bool  # False: a preview
    accounts: tuple[Account, ...]  # by index
    shares: tuple[int, ...]  # units of 2^-48
    tokens: tuple[TokenColumn, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it for programs; amounts are decimal text, for they exceed what JSON readers keep exact."""
        return {
            "pool": format_account(self.pool),
            "epoch": self.epoch,
            "settled": self.settled,
            "tokens": [
                {
                    "token": format_account(t.token),
                    "budget": str(t.budget),
                    "reserved": str(t.reserved),
                    "fee": str(t.fee),
                }
                for t in self.tokens
            ],
            "peers": [
                {
                    "index": k,
                    "account": format_account(account),
                    "share": share,
                    "payouts": {format_account(t.token): str(t.payouts[k]) for t in self.tokens},
                }
                for k, (account, share) in enumerate(zip(self.accounts, self.shares, strict=True))
            ],
        }

    def rows(self) -> list[dict[str, object]]:
        """Return one row a peer and token, as `write_parquet` takes them."""
        return [
            {
                "pool": format_account(self.pool),
                "epoch": self.epoch,
                "index": k,
                "account": format_account(account),
                "share": share,
                "token": format_account(t.token),
                "amount": str(t.payouts[k]),
            }
            for k, (account, share) in enumerate(zip(self.accounts, self.shares, strict=True))
            for t in self.tokens
        ]


def settled_matrix(pool: Pool, epoch: Epoch) -> RewardMatrix:
    """Read what a settled epoch pays, from the chain alone.

    Raises
    ------
    ChainError
        If the epoch is not settled, or the node's answers contradict one another.
    """
    shares = pool.shares_of(epoch)
    set_aside = {e["token"]: (e["reserved"], e["fee"]) for e in pool.contract.events("Budgeted", epoch=epoch)}
    columns = []
    for token, _ in pool.terms().tokens:
        budget = int(pool.contract.call("budget", epoch, token))
        reserved, fee = set_aside.get(token, (0, 0))
        columns.append(_column(shares, token, budget, fee))
        if columns[-1].reserved != reserved:
            raise ChainError(
                f"epoch {epoch}, token {format_account(token)}: payouts add up to {columns[-1].reserved},"
                f" the pool set {reserved} aside"
            )
    return _matrix(pool, epoch, True, shares, columns)


def preview_matrix(pool: Pool, epoch: Epoch, shares: Sequence[int]) -> RewardMatrix:
    """Compute what `pool.settle` with these shares would set aside now; twin of `pool._reserve`."""
    listed = ShareList(epoch, shares)
    terms = pool.terms()
    distribution = Contract(pool.chain, artifact("distribution/linear"), terms.distribution)
    columns = []
    for token, _ in terms.tokens:
        carried, _ = pool.balances(token)
        try:
            asked = int(distribution.call("budget", pool.address, token, epoch, carried)) if carried else 0
        except ChainError:
            asked = 0  # a distribution that fails gives nothing, and stops nobody
        whole = min(asked, carried)
        fee = whole * terms.fee // _BASIS_POINTS
        column = _column(listed, token, whole - fee, fee * listed.total >> SHARE_BITS)
        columns.append(column if column.reserved + column.fee else _column(listed, token, 0, 0))
    return _matrix(pool, epoch, False, listed, columns)


def _column(shares: ShareList, token: Account, budget: int, fee: int) -> TokenColumn:
    payouts = tuple(shares.payout(k, budget) for k in range(len(shares.shares)))
    return TokenColumn(token, budget, sum(payouts), fee, payouts)


def _matrix(
    pool: Pool, epoch: Epoch, settled: bool, shares: ShareList, columns: Sequence[TokenColumn]
) -> RewardMatrix:
    accounts = tuple(member.account for member in pool.members()[: len(shares.shares)])
    return RewardMatrix(pool.address, epoch, settled, accounts, tuple(shares.shares), tuple(columns))


def write_parquet(rows: Sequence[dict[str, object]], path: Path) -> None:
    """Write rows (all with the same keys; integers or text) as a Parquet file.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    import duckdb

    names = list(rows[0]) if rows else ["index"]
    kinds = {name: "BIGINT" if not rows or isinstance(rows[0][name], int) else "VARCHAR" for name in names}
    try:
        with duckdb.connect() as database:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
            database.execute(f"CREATE TABLE t ({columns})")
            if rows:  # by columns: row by row, DuckDB takes hundreds of times as long
                table = {name: np.array([row[name] for row in rows], object) for name in names}
                database.register("table", table)
                database.execute('INSERT INTO t SELECT * FROM "table"')
            database.execute("COPY t TO $1 (FORMAT parquet)", [str(path)])
    except (duckdb.Error, OSError) as error:
        raise StorageError(f"{path}: {error}") from error
