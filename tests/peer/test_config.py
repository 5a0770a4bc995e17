"""Flags win over the environment, that over the file, that over the defaults."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ConfigError
from axon.peer.config import parse_address, parse_config, parse_rate, parse_size


def test_the_layers_win_in_order(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text(
        'max-up = "1M"\nslots = 3\npeer = ["h:1", "[::1]:2"]\n[download]\nslots = 4\nseed = true\n'
    )
    environ = {"AXON_CONFIG": str(file), "AXON_MAX_UP": "2M", "HOME": "/h"}
    config = parse_config(["download", "t", "--max-up", "3M"], environ)
    assert (config.max_up, config.slots, config.seed) == (3e6, 4, True)
    assert config.peer == (("h", 1), ("::1", 2))
    assert parse_config(["download", "t"], environ).max_up == 2e6
    assert parse_config(["seed", "t"], environ).slots == 3
    assert parse_config(["seed", "t"], {"AXON_PEER": "a:1 b:2"}).peer == (("a", 1), ("b", 2))
    assert parse_config(["seed", "t", "--max-up", "0"], environ).max_up is None


def test_defaults():
    config = parse_config(["download", "t"], {"XDG_STATE_HOME": "/state"})
    assert config.data == Path("/state/axon")
    assert config.listen == (("::", 6881), ("0.0.0.0", 6881))
    assert not config.seed and not config.no_receipts


@pytest.mark.parametrize(
    ("environ", "file", "complaint"),
    [
        ({"AXON_MAX_UP": "fast"}, "", "AXON_MAX_UP"),
        ({"AXON_SEED": "perhaps"}, "", "neither true nor false"),
        ({}, "colour = 1", "unknown setting 'colour'"),
        ({}, "peer = 5", "not a list"),
        ({}, "= nonsense", "c.toml"),
        ({}, 'listen = "nowhere"', "listen"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, environ, file, complaint):
    path = tmp_path / "c.toml"
    path.write_text(file)
    with pytest.raises(ConfigError, match=complaint):
        parse_config(["download", "t"], environ | {"AXON_CONFIG": str(path)})
    with pytest.raises(ConfigError, match="No such file"):
        parse_config(["download", "t", "--config", str(tmp_path / "no")], {})


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["download"],
        ["download", "t", "--peer", "x"],
        ["download", "t", "--peer", "::1:5"],
        ["download", "t", "--listen", "h:70000"],
        ["download", "t", "--max-up", "much"],
        ["seed", "t", "--slots", "-1"],
    ],
)
def test_wrong_usage_exits_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_config(argv, {})
    assert stop.value.code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "address"),
    [("h:1", ("h", 1)), ("[::1]:80", ("::1", 80)), (":7", ("", 7)), ("7", ("", 7)), ("0", ("", 0))],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "h", "h:", "h:x", "h:-1", "h:65536", "1::2:3", "[::1]", "h:１"])
def test_what_is_no_address(text):
    with pytest.raises(ConfigError):
        parse_address(text)


@given(st.integers(0, 2**40))
def test_sizes_are_read_as_written(number):
    assert parse_size(str(number)) == number
    assert parse_size(f"{number}KiB") == parse_size(f"{number} ki".replace(" ", "")) == number * 1024
    assert parse_size(f"{number}M") == number * 10**6


@pytest.mark.parametrize("text", ["", "x", "-1", "1T", "1e99", "nan", "inf", "1 2"])
def test_what_is_no_size(text):
    with pytest.raises(ConfigError):
        parse_size(text)
    with pytest.raises(ConfigError):
        parse_rate(text)


def test_torrents_and_flags_may_alternate():
    config = parse_config(["seed", "one", "--dir", "D", "two", "--max-up", "1M", "three"], {"HOME": "/h"})
    assert (config.torrent, config.dir, config.max_up) == (("one", "two", "three"), Path("D"), 1e6)


def test_variables_may_say_whose_they_are():
    environ = {"HOME": "/h", "AXON_DATA": "/both", "AXON_PEER_DATA": "/peer", "AXON_AGGREGATOR_DATA": "/jobs"}
    assert parse_config(["key"], environ).data == Path("/peer")
    del environ["AXON_PEER_DATA"]
    assert parse_config(["key"], environ).data == Path("/both")
