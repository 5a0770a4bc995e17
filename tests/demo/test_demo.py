"""The demo as a stranger runs it: real processes over loopback, the real verifier, everybody paid."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from axon.demo.__main__ import main
from axon.demo.cast import LIARS, cast
from axon.demo.node import DEVELOPMENT, publisher_wallet
from axon.errors import ConfigError


def run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "axon.demo", "--size", "8", "--peers", "4", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def check(told: dict[str, Any]) -> None:
    peers = {peer["name"]: peer for peer in told["peers"]}
    liars = [peer for peer in told["peers"] if peer["part"] == LIARS]
    assert len(peers) == 7 and len(liars) == 2
    assert told["proven_bits"] >= 100
    assert told["proof_bytes"] < 128 * 1024
    blocks = -(-told["file_bytes"] // 16384)
    downloaders = [p for name, p in peers.items() if name == "canary" or name.startswith(("host", "rider"))]
    # Whoever downloaded acknowledged nearly every block, and nobody more than there are and 2 %.
    assert all(0.9 * blocks <= peer["blocks_downloaded"] <= 1.02 * blocks for peer in downloaders)
    naive, gained = (sum(peer[key] for peer in liars) for key in ("share_by_bytes", "share"))
    assert gained < 0.05 < naive
    # Whom the canary happened to ask most earns most; the seed need not be first, but it is far from last.
    assert peers["seed"]["share"] > max(gained, 10 * peers["rider"]["share"])
    for token, budget in told["budgets"].items():
        paid = sum(int(peer["paid"][token]) for peer in told["peers"])
        whole = sum(round(peer["share"] * 2**48) for peer in told["peers"])
        assert paid == int(budget) * whole >> 48  # floors of running sums: no dust
    assert len(told["gas"]["claim"]) == 7


@pytest.mark.slow
def test_the_demo_pays_who_served_and_not_who_lied(tmp_path: Path) -> None:
    check(run("--out", str(tmp_path)))
    assert (tmp_path / "rewards.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "proof.bin").read_bytes()[:7] == b"axstark"


@pytest.mark.slow
@pytest.mark.interop
def test_the_demo_against_a_node() -> None:
    from tests.interop.anvil import anvil

    with anvil() as url:
        check(run("--rpc", url))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--peers", "2"], "--peers wants 3"),
        (["--size", "0"], "--size 1"),
        (["nowhere.bin"], "nowhere.bin: no such file"),
        (["--epoch-seconds", "1"], "--epoch-seconds wants 10"),
        (["--rpc", "http://127.0.0.1:1", "--mnemonic", "not words"], "demo account"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 1
    err = capsys.readouterr().err
    assert said in err.splitlines()[-1]


def test_the_cast_has_one_seed_one_rider_and_two_liars_whatever_its_size() -> None:
    for peers in (3, 6, 32):
        seed, downloaders, liars = cast(peers)
        assert len(downloaders) == peers
        assert [role.part for role in liars] == [LIARS, LIARS]
        assert sum(role.part == "free rider" for role in downloaders) == 1
        names = [role.name for role in (seed, *downloaders, *liars)]
        assert len(set(names)) == len(names)


def test_the_publisher_is_the_account_that_development_nodes_fund(tmp_path: Path) -> None:
    wallet, secret = publisher_wallet(None, None)
    assert wallet.account.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    assert publisher_wallet(None, DEVELOPMENT)[1] == secret
    (tmp_path / "key").write_text("0x" + secret.hex() + "\n")
    assert publisher_wallet(tmp_path / "key", None)[0].account == wallet.account
    with pytest.raises(ConfigError):
        publisher_wallet(tmp_path / "missing", None)
