"""Configuration: who wins, and what is refused; lists and pools from files."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest

from axon.errors import ConfigError
from axon.ids import Account, Epoch, InfoHash, NodeKey
from axon.receipts import Reject, Scope
from axon.tracker.config import Config, Endpoint, load_config
from axon.tracker.lists import Lists
from axon.tracker.pools import Pools

A, B = NodeKey(b"a" * 32), NodeKey(b"b" * 32)


def test_flags_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[tracker]\ninterval = 100\njitter = 7\nmemory = 9\nhttp = ["127.0.0.1:1"]\n')
    env = {"AXON_TRACKER_JITTER": "8", "AXON_TRACKER_MEMORY": "10", "OTHER": "x"}
    config = load_config(["--config", str(file), "--memory", "11"], env)
    assert (config.interval, config.jitter, config.memory, config.max_peers) == (100, 8, 11, 200)
    assert config.http == (Endpoint("127.0.0.1", 1),) and config.min_interval == 100


def test_lists_of_addresses_may_be_repeated_or_empty() -> None:
    config = load_config(["--udp", "[::1]:5", "--udp", "127.0.0.1:6", "--http", "none"], {})
    assert config.udp == (Endpoint("::1", 5), Endpoint("127.0.0.1", 6)) and config.http == ()
    env = {"AXON_TRACKER_PROXY": "10.0.0.0/8, ::1/128", "AXON_TRACKER_PLAIN": "yes"}
    config = load_config([], env)
    assert config.proxy == (ip_network("10.0.0.0/8"), ip_network("::1/128")) and config.plain
    assert load_config([], {}) == Config()


@pytest.mark.parametrize(
    ("argv", "env", "text"),
    [
        (["--http", "x"], {}, "flag: http"),
        (["--http", "x:70000"], {}, "flag: http"),
        (["--interval", "0"], {}, "want 1..86400"),
        (["--memory", "lots"], {}, "flag: memory"),
        (["--proxy", "10.0.0.1/8"], {}, "flag: proxy"),
        (["--log", "loud"], {}, "flag: log"),
        (["--tls-cert", "x"], {}, "tls-cert and tls-key"),
        ([], {"AXON_TRACKER_COLOUR": "red"}, "environment: colour"),
        (["--config", "/nonexistent"], {}, "nonexistent"),
    ],
)
def test_what_is_wrong_is_named(argv: list[str], env: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        load_config(argv, env)


def test_lists_permit_and_deny(tmp_path: Path) -> None:
    allow, deny = tmp_path / "allow", tmp_path / "deny"
    allow.write_text("# ours\n" + "01" * 20 + "\n" + "02" * 20 + " # two\n\n")
    deny.write_text("02" * 20)
    lists = Lists.load(allow, deny)
    assert [lists.permits(bytes([k]) * 20) for k in (1, 2, 3)] == [True, False, False]
    assert Lists().permits(b"x" * 20) and not Lists(frozenset()).permits(b"x" * 20)
    deny.write_text("ok\n")
    with pytest.raises(ConfigError, match="line 1"):
        Lists.load(None, deny)


def test_pools_say_which_receipts_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "pools"
    row = {"chain_id": 1, "pool": "0x" + "11" * 20, "info_hash": "22" * 20, "blocks": 5}
    path.write_text(json.dumps({"pools": [row | {"start": 1000, "epoch_length": 100}]}))
    pools = Pools.load(path)

    def refuses(epoch: int, wall: float, **other: object) -> Reject | None:
        fields = {"chain_id": 1, "pool": Account(b"\x11" * 20), "info_hash": InfoHash(b"\x22" * 20)} | other
        return pools.refuses(Scope(**fields, epoch=Epoch(epoch)), A, B, wall)  # type: ignore[arg-type]

    assert refuses(0, 1050) is None and refuses(0, 1150) is None
    assert refuses(0, 1250) == refuses(1, 1050) == refuses(0, 900) == Reject.SCOPE
    assert refuses(0, 1050, chain_id=2) == Reject.SCOPE
    assert pools.registered(b"\x22" * 20, A) and Pools().registered(b"x" * 20, A)
    path.write_text(json.dumps({"pools": [row | {"members": []}]}))
    pools = Pools.load(path)
    assert refuses(9, 5) == Reject.UNREGISTERED and not pools.registered(b"\x22" * 20, A)
    assert pools.registered(b"\x23" * 20, A)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"pools": [{}]}', '{"pools": [{"chain_id": 1, "pool": 5}]}']
)
def test_malformed_pools_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pools").write_text(text)
    with pytest.raises(ConfigError, match="pools"):
        Pools.load(tmp_path / "pools")
