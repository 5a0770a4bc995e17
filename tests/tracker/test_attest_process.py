"""Attestation in a child: the same answers, and a child that is killed or idle is started again."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from axon.bls import BlsSecret
from axon.errors import ConfigError, StorageError
from axon.receiptlog import ReceiptLog, Role
from axon.tracker.attest_process import AttestProcess
from axon.tracker.child import Child
from tests.rewards.test_attestation import RULES, request
from tests.tracker.test_attest import RECEIPTS

pytestmark = pytest.mark.slow


@asynccontextmanager
async def attesting(home: Path, *pools: Path) -> AsyncIterator[AttestProcess]:
    process = AttestProcess(home, pools)
    try:
        with trio.fail_after(60):
            yield process
    finally:
        await process.aclose()


async def test_the_child_signs_what_the_attester_would_and_refuses_the_rest(tmp_path: Path) -> None:
    log = ReceiptLog(tmp_path / "receipts.sqlite")
    log.append(Role.SUBMITTED, RECEIPTS)
    pools = tmp_path / "pools.json"
    async with attesting(tmp_path, pools) as process:
        keys = await process.keys()
        assert bytes.fromhex(keys["bls_public"]) == BlsSecret.load_or_create(tmp_path / "bls.key").public
        status, answer = await process.attest(request().serialize())
        assert (status, json.loads(answer)["error"]) == (409, "the terms of this pool are not known here")
        pools.write_text(json.dumps({"pools": [RULES.to_json()]}))  # it is there now
        status, answer = await process.attest(request().serialize())
        assert (status, json.loads(answer)["public_key"]) == (200, keys["bls_public"])
        assert (await process.attest(b"{"))[0] == 400
        pools.write_text("{")
        assert (await process.attest(request().serialize()))[0] == 400
    log.close()


async def test_a_key_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "bls.key").write_text("no key")
    async with attesting(tmp_path) as process:
        with pytest.raises(ConfigError, match=r"bls\.key"):
            await process.keys()


ECHO = "tests.tracker.echo_child"


async def test_a_child_that_is_killed_cancelled_or_idle_is_started_again() -> None:
    child = Child(ECHO, [], linger=0.05)
    with trio.fail_after(60):
        first = int(await child.ask(b"pid"))
        os.kill(first, signal.SIGKILL)
        second = int(await child.ask(b"pid"))
        with trio.move_on_after(0.2):
            await child.ask(b"sleep")
        third = int(await child.ask(b"pid"))  # and not the sleeper's answer
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child.lingering)
            while Path(f"/proc/{third}").exists():
                await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
        fourth = int(await child.ask(b"pid"))
        assert len({first, second, third, fourth}) == 4
        assert await child.ask(bytes(1 << 21)) == bytes(1 << 21)
        with pytest.raises(StorageError, match="ended twice"):
            await child.ask(b"die")
        await child.aclose()
