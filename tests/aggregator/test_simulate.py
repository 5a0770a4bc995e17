"""The simulation reproduces what the design was decided on."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

from axon.aggregator.__main__ import main
from axon.aggregator.simulate import kendall_tau, simulate
from axon.aggregator.swarms import Attack, honest_swarm, under_attack


def test_fresh_sybils_take_most_bytes_but_little_of_axr1() -> None:
    rows = {row.scenario: row.values for row in simulate(1, quick=True)}
    hundred = rows["100 fresh Sybils take"]
    assert hundred["bytes"] > 0.9 > 0.05 > hundred["AXR-1"]
    assert rows["honest swarm: reward follows service"]["AXR-1"] > 0.8
    gain = rows["honest server plus 50 self-dealing Sybils gains ×"]
    assert gain["AXR-1"] == pytest.approx(4 / 3, abs=0.02)  # the proved bound, and it is reached
    assert gain["bytes"] > 20


def test_swarms_are_drawn_from_the_generator_alone() -> None:
    first, second = (honest_swarm(default_rng(3)) for _ in range(2))
    assert np.array_equal(first.edges.blocks, second.edges.blocks)
    attacked = under_attack(default_rng(3), Attack(identities=4, members=2))
    assert attacked.edges.n == first.edges.n + 5
    assert attacked.served[attacked.watched].sum() == 0


def test_free_riders_serve_nothing() -> None:
    swarm = honest_swarm(default_rng(1), free_riders=0.3)
    assert len(swarm.watched) == 60
    assert swarm.served[swarm.watched].sum() == 0


def test_kendall_tau_by_hand() -> None:
    rising = np.arange(5.0)
    assert kendall_tau(rising, rising) == 1
    assert kendall_tau(rising, -rising) == -1
    assert kendall_tau(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(1 / 3)
    assert kendall_tau(rising, np.zeros(5)) == 0


def test_simulate_command_prints_json_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "attacks.png"
    assert main(["simulate", "--quick", "--seeds", "1", "--json", "--plot", str(picture)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 7
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_simulate_refuses_no_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--seeds", "0"])
    assert ended.value.code == 2
    assert "--seeds" in capsys.readouterr().err
