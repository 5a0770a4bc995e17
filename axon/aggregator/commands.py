"""The commands of `python -m axon.aggregator` that need no chain; `commands_chain` has the others."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from axon.aggregator.commands_chain import matrix, rules, settle, verify_chain
from axon.aggregator.config import Config
from axon.aggregator.matrix import write_parquet
from axon.aggregator.proofs import ProofFile, check_rows, make_proof
from axon.aggregator.report import EpochReport
from axon.aggregator.sources import read_latest
from axon.aggregator.trackers import TrackerClient
from axon.bt.omission import omitted, promised
from axon.errors import ConfigError, StorageError
from axon.ids import Epoch, format_account
from axon.receipts import Receipt
from axon.rewards.air import Statement
from axon.rewards.epoch import RebuiltEpoch, commit, rebuild
from axon.rewards.pools import PoolRules
from axon.stark import named

__all__ = ["COMMANDS"]


def _shares(config: Config) -> int:
    report = EpochReport(_rebuild(config))
    if config.parquet:
        write_parquet([asdict(row) for row in report.peers()], config.parquet)
    if config.report:
        report.write(config.report)
    if config.json:
        print(json.dumps(report.to_json(), indent=1))
    else:
        _show_shares(report)
    return 0


def _prove(config: Config) -> int:
    if config.submitter is None or config.out is None:
        raise ConfigError("prove: want --submitter, whom the proof names, and --out")
    options = named(config.options)
    epoch = _rebuild(config)
    if not epoch.shares:
        raise ConfigError("prove: nobody has joined the pool, nobody can be paid")
    log_rows = check_rows(epoch, options)
    seed = os.urandom(32)
    known = epoch.rules
    statement = Statement(
        known.scope.chain_id,
        known.scope.pool,
        known.scope.epoch,
        config.submitter,
        commit(epoch, seed, options),
        known.c,
        known.c_e,
        int(epoch.rewards.trust.sum()),
        int(epoch.pretrust.sum()),
        epoch.shares,
    )
    statement.check()
    with Console(stderr=True).status(f"proving over 2^{log_rows} rows …"):
        raw = make_proof(epoch, statement, seed, options)
    file = ProofFile(log_rows, options.name, statement, raw)
    bits = file.check()
    _write(config.out, file.serialize())
    figures = {"proof": f"{len(raw)} bytes", "bits": f"{bits:.0f} proven ({options.name})"}
    if config.report:
        EpochReport(epoch, figures).write(config.report)
    facts = {"proof_bytes": len(raw), "proven_bits": bits, "root": statement.root.hex(), "seed": seed.hex()}
    if config.json:
        print(json.dumps(facts | {"log_rows": log_rows, "options": options.name, "out": str(config.out)}))
    else:
        print(f"{config.out}: {len(raw):,} bytes, {bits:.0f} proven bits ({options.name}), 2^{log_rows} rows")
    return 0


def _verify(config: Config) -> int:
    if config.file is None:
        return verify_chain(config)
    file = ProofFile.parse(_read(config.file))
    bits, s = file.check(), file.statement
    if config.json:
        facts = {"valid": True, "proven_bits": bits, "options": file.options, "epoch": s.epoch}
        print(json.dumps(facts | {"pool": format_account(s.pool), "shares": list(s.shares)}))
    else:
        print(
            f"The proof holds ({bits:.0f} proven bits, {file.options}): these are the shares of the receipts"
            f" behind root {s.root.hex()}, pool {format_account(s.pool)}, epoch {s.epoch}."
        )
        print("Who attests that root is a matter of the chain: --rpc URL --pool ADDRESS --epoch N.")
    return 0


def _omissions(config: Config) -> int:
    if len(config.tracker) != 1 or config.answer is None or config.submission is None:
        raise ConfigError("omissions: want --tracker, --answer and --submission, one each")
    key, receipts = promised(_read(config.submission), _read(config.answer))
    client, missing = TrackerClient(config.tracker[0]), list[Receipt]()
    for scope in sorted({receipt.scope for receipt in receipts}):
        there = client.receipts(scope.chain_id, scope.pool, scope.epoch)
        missing += omitted([receipt for receipt in receipts if receipt.scope == scope], there)
    if config.json:
        left_out = [receipt.serialize().hex() for receipt in missing]
        print(json.dumps({"tracker": key.hex(), "promised": len(receipts), "omitted": left_out}))
    else:
        print(
            f"Tracker {key.hex()} signed for {len(receipts)} receipts and hands out all but {len(missing)}."
        )
        for receipt in missing:
            print(f"  {receipt.blocks} blocks, {receipt.downloader.hex()} from {receipt.uploader.hex()}")
    return 1 if missing else 0


def _simulate(config: Config) -> int:
    from axon.aggregator.simulate import FUNCTIONS, simulate

    rows = simulate(config.seeds, quick=config.quick)
    if config.json:
        print(
            json.dumps([{"scenario": r.scenario, "measure": r.measure, **r.values} for r in rows], indent=1)
        )
    else:
        table = Table(title="Reward functions under attack", caption="share: of the reward; tau: Kendall's")
        table.add_column("scenario")
        table.add_column("")
        for name in FUNCTIONS:
            table.add_column(name, justify="right", style="bold" if name == "AXR-1" else "")
        for row in rows:
            form = "{:.2%}" if row.measure == "share" else "{:.3f}"
            table.add_row(row.scenario, row.measure, *(form.format(value) for value in row.values.values()))
        _console().print(table)
    if config.plot:
        from axon.aggregator.plots import plot_simulation

        plot_simulation(rows, config.plot)
    return 0


def _bench(config: Config) -> int:
    from axon.aggregator.bench import CASES, QUICK, run, show

    rows = run(QUICK if config.quick else CASES)
    if config.json:
        print(json.dumps(rows, indent=1))
    else:
        show(_console(), rows)
    return 0


COMMANDS: dict[str, Callable[[Config], int]] = {
    "shares": _shares,
    "prove": _prove,
    "verify": _verify,
    "settle": settle,
    "rules": rules,
    "matrix": matrix,
    "omissions": _omissions,
    "simulate": _simulate,
    "bench": _bench,
}


def _rebuild(config: Config) -> RebuiltEpoch:
    """Read rules and receipts, and compute the rewards."""
    if config.pools is None or config.epoch is None:
        raise ConfigError(f"{config.command}: want --pools and --epoch")
    known = _rules(config.pools, config).of_epoch(Epoch(config.epoch))
    scope = known.scope
    sources = [read_latest(path, scope.chain_id, scope.pool, scope.epoch) for path in config.receipts]
    with Console(stderr=True, quiet=config.quiet).status("checking receipts …"):
        return rebuild(known, sources, processes=config.processes)


def _rules(path: Path, config: Config) -> PoolRules:
    try:
        rows: Any = json.loads(_read(path))["pools"]
        known = [PoolRules.from_json(row) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"pools {path}: {error!r:.200}") from error
    wanted = [r for r in known if config.pool in (None, r.pool)]
    if len(wanted) != 1:
        which = format_account(config.pool) if config.pool else "--pool not given"
        raise ConfigError(f"pools {path}: {len(wanted)} of {len(known)} pools fit ({which}), want one")
    return wanted[0]


def _show_shares(report: EpochReport) -> None:
    table = Table(
        title=f"Epoch {report.epoch.rules.scope.epoch}", caption="served and got in MiB, by receipts"
    )
    table.add_column("#", justify="right")
    table.add_column("account or node key", no_wrap=True)
    for name in ("served", "got", "pre-trust", "trust", "share"):
        table.add_column(name, justify="right")
    for row in report.peers():
        table.add_row(
            str(row.index),
            row.account or f"[dim]{(row.node_key or '')[:40]}[/]",
            f"{row.served / 64:.1f}",
            f"{row.downloaded / 64:.1f}",
            f"{row.pretrust / 2**36:.2%}",
            f"{row.trust / 2**36:.2%}",
            f"{row.share / 2**48:.4%}" if row.account else "not joined",
        )
    console = _console()
    console.print(table)
    console.print(
        f"{len(report.epoch.collected.edges)} edges; {report.epoch.rewards.rollover / 2**48:.2%} rolls over;"
        f" identities without weight could take {report.sybil_bound():.2%} by lying."
    )
    for refused in report.epoch.collected.refused[:20]:
        console.print(
            f"[yellow]refused[/] {refused.reason.name}: {refused.detail} ({refused.receipt[:8].hex()}…)"
        )
    if len(report.epoch.collected.refused) > 20:
        console.print(f"… and {len(report.epoch.collected.refused) - 20} more: --json lists them")


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"{path}: {error.strerror or error}") from error
