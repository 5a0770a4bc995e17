"""Flags win over the environment, that over the file; every source reads a value the same way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.errors import ConfigError
from axon.settings import Layers, Parser, Setting, parse_command, switch


def _number(text):
    if not text.isdigit():
        raise ConfigError(f"{text!r}: want a number")
    return int(text)


SETTINGS = {
    "slots": Setting(_number, "places", "N"),
    "max_up": Setting(_number, "a rate", "RATE", short="-u"),
    "peer": Setting(str, "somebody", "HOST", many=True),
    "data": Setting(str, "a folder", "DIR", shared=False),
    "json": switch("for programs"),
}
LAYERS = Layers("peer", SETTINGS)


def read(tmp_path, argv=(), environ=None, file=None):
    environ = {"XDG_CONFIG_HOME": str(tmp_path)} | (environ or {})
    if file is not None:
        (tmp_path / "axon").mkdir(exist_ok=True)
        (tmp_path / "axon" / "peer.toml").write_text(file)
    parser = Parser(prog="axon peer")
    parser.add_argument("command")
    LAYERS.add_config(parser)
    for name in SETTINGS:
        LAYERS.add(parser, name)
    return LAYERS.merge(parser.parse_args(["go", *argv]), environ)


@given(
    st.sets(st.sampled_from(["flag", "own", "shared", "command", "file"])),
)
def test_the_nearest_source_that_speaks_wins(tmp_path_factory, sources):
    ranks = ["flag", "own", "shared", "command", "file"]
    at = {source: str(number) for number, source in enumerate(ranks)}
    file = f"slots = {at['file']}\n" if "file" in sources else ""
    file += f"[go]\nslots = {at['command']}\n" if "command" in sources else ""
    environ = {"AXON_PEER_SLOTS": at["own"]} if "own" in sources else {}
    environ |= {"AXON_SLOTS": at["shared"]} if "shared" in sources else {}
    argv = ["--slots", at["flag"]] if "flag" in sources else []
    merged = read(tmp_path_factory.mktemp("layers"), argv, environ, file)
    spoken = [number for number, source in enumerate(ranks) if source in sources]
    assert merged.get("slots") == (spoken[0] if spoken else None)


def test_a_name_that_means_something_else_elsewhere_is_read_under_the_program_s_own_name_only(tmp_path):
    assert "data" not in read(tmp_path, environ={"AXON_DATA": "x"})
    assert read(tmp_path, environ={"AXON_DATA": "x", "AXON_PEER_DATA": "y"})["data"] == "y"


def test_lists_come_as_tuples_from_everywhere(tmp_path):
    assert read(tmp_path, ["--peer", "a", "--peer", "b"])["peer"] == ("a", "b")
    assert read(tmp_path, environ={"AXON_PEER": "a b"})["peer"] == ("a", "b")
    assert read(tmp_path, file='peer = ["a", "b"]')["peer"] == ("a", "b")


def test_a_file_may_be_named_by_flag_and_variable(tmp_path):
    (tmp_path / "one.toml").write_text("max-up = 1")
    (tmp_path / "two.toml").write_text("max_up = 2")
    assert read(tmp_path, ["--config", str(tmp_path / "one.toml")])["max_up"] == 1
    assert read(tmp_path, environ={"AXON_CONFIG": str(tmp_path / "two.toml")})["max_up"] == 2
    with pytest.raises(ConfigError, match="nowhere"):
        read(tmp_path, ["--config", str(tmp_path / "nowhere.toml")])


@pytest.mark.parametrize(
    ("environ", "file", "complaint"),
    [
        ({"AXON_SLOTS": "many"}, "", "AXON_SLOTS: 'many'"),
        ({"AXON_PEER_JSON": "perhaps"}, "", "AXON_PEER_JSON: 'perhaps' is neither true nor false"),
        ({}, "colour = 1", "unknown setting 'colour'"),
        ({}, "peer = 5", "not a list"),
        ({}, "= nonsense", "peer.toml"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(tmp_path, environ, file, complaint):
    with pytest.raises(ConfigError, match=complaint):
        read(tmp_path, environ=environ, file=file)


def test_a_wrong_command_line_takes_one_line_and_exits_with_two(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        read(tmp_path, ["--slots", "many"])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_switches_and_short_flags(tmp_path):
    assert read(tmp_path, ["--json", "-u", "7"]) == {"command": "go", "json": True, "max_up": 7}
    assert read(tmp_path, environ={"AXON_JSON": "no"})["json"] is False
    assert read(tmp_path, file="json = true")["json"] is True


def test_flags_and_arguments_of_a_command_may_alternate(capsys):
    parser = Parser(prog="axon peer")
    commands = parser.add_subparsers(dest="command", required=True)
    seed = commands.add_parser("seed")
    seed.add_argument("torrent", nargs="+")
    LAYERS.add(seed, "data")
    for argv in (["A", "--data", "D", "B"], ["--data", "D", "A", "B"], ["A", "B", "--data=D"]):
        given = parse_command(parser, commands.choices, ["seed", *argv])
        assert vars(given) == {"command": "seed", "torrent": ["A", "B"], "data": "D"}
    for argv in ([], ["sow", "A"], ["seed", "--data", "D"], ["seed", "A", "--colour"]):
        with pytest.raises(SystemExit) as end:
            parse_command(parser, commands.choices, argv)
        assert end.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
