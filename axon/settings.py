"""Settings of a program: flags, then the environment, then a TOML file; what none of them says is left open.

A program names its settings once (`Setting`), and `Layers` makes the flags and
reads the rest. For a program called ``peer`` the setting ``max_up`` is

- the flag ``--max-up``,
- the variable ``AXON_PEER_MAX_UP``, or ``AXON_MAX_UP`` if programs may share it,
- the key ``max-up`` in ``--config FILE``, ``AXON_CONFIG`` or ``~/.config/axon/peer.toml``, where a table
  named after a command overrides for that command.

In the environment a list is separated by spaces. Unknown keys of the file are
refused; unknown variables are not, for other programs share the prefix.
"""

import argparse
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from axon.errors import ConfigError

__all__ = ["Layers", "Parser", "Setting", "parse_command", "switch"]

_SWITCH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set.

    Raises
    ------
    ConfigError
        By `read`, if the text is not acceptable.
    """

    read: Callable[[str], Any] | None  # makes the value of its text, wherever that comes from; None: a switch
    help: str
    metavar: str = ""
    many: bool = False  # a list; the flag may be repeated
    shared: bool = True  # False: `AXON_NAME` means something else to another program
    short: str = ""  # a one-letter flag beside the long one


def switch(help_text: str) -> Setting:
    """Return a setting that is on or off."""
    return Setting(None, help_text)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line; a wrong command line exits with 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help says more)\n")


def parse_command(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, argparse.ArgumentParser],
    argv: Sequence[str],
) -> argparse.Namespace:
    """Parse a command line whose first word is a command; flags and arguments of it may alternate.

    Parameters
    ----------
    parser : ArgumentParser
        Of the program; parses whatever does not begin with a command.
    commands : mapping of name to parser
        The ``choices`` of its sub-parsers, which alone would stop at ``seed A --dir D B``.
    """
    if not argv or argv[0] not in commands:
        return parser.parse_args(argv)
    given = commands[argv[0]].parse_intermixed_args(argv[1:])
    given.command = argv[0]
    return given


class Layers:
    """The settings of one program, from everywhere.

    Parameters
    ----------
    program : str
        ``peer``: names its variables and its file.
    settings : mapping of name to Setting
        Names with underscores, as in the program's `Config`.
    """

    def __init__(self, program: str, settings: Mapping[str, Setting]) -> None:
        self._program = program
        self._settings = settings

    def add(self, parser: argparse._ActionsContainer, name: str, help_text: str | None = None) -> None:
        """Add the flag of a setting to a command; `help_text` where it means something special there."""
        setting = self._settings[name]
        flags = [*([setting.short] if setting.short else []), "--" + name.replace("_", "-")]
        text = help_text or setting.help
        # Absent unless it was really said, or it would win over the environment.
        if setting.read is None:
            parser.add_argument(
                *flags, action="store_const", const=True, default=argparse.SUPPRESS, help=text, dest=name
            )
        else:
            parser.add_argument(
                *flags,
                action="append" if setting.many else "store",
                type=_complaining(setting.read),
                metavar=setting.metavar,
                default=argparse.SUPPRESS,
                help=text,
                dest=name,
            )

    @staticmethod
    def add_config(parser: argparse.ArgumentParser) -> None:
        """Add ``--config`` to a command."""
        parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of defaults")

    def merge(self, given: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, Any]:
        """Return all that was said anywhere, by name; lists as tuples.

        Parameters
        ----------
        given : Namespace
            What the parser found: ``command``, perhaps ``config``, flags, and positional arguments.

        Raises
        ------
        ConfigError
            If the environment or the file is wrong.
        """
        flags = dict(vars(given))
        asked = flags.pop("config", None)
        merged = self._from_file(asked, str(flags.get("command", "")), environ)
        merged |= self._from_environment(environ)
        merged |= flags
        return {name: tuple(value) if isinstance(value, list) else value for name, value in merged.items()}

    def _from_environment(self, environ: Mapping[str, str]) -> dict[str, Any]:
        found = dict[str, Any]()
        for name, setting in self._settings.items():
            variables = [f"AXON_{self._program.upper()}_{name.upper()}"]
            if setting.shared:
                variables.append(f"AXON_{name.upper()}")
            for variable in variables:
                if (text := environ.get(variable)) is not None:
                    found[name] = _convert(setting, text.split() if setting.many else text, variable)
                    break
        return found

    def _from_file(self, path: Path | None, command: str, environ: Mapping[str, str]) -> dict[str, Any]:
        asked = path or (Path(environ["AXON_CONFIG"]) if environ.get("AXON_CONFIG") else None)
        home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        path = asked or home / "axon" / f"{self._program}.toml"
        if asked is None and not path.exists():
            return {}
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from error
        commands = {key: value for key, value in table.items() if isinstance(value, dict)}
        flat = {key: value for key, value in table.items() if key not in commands} | commands.get(command, {})
        found = dict[str, Any]()
        for key, value in flat.items():
            name = key.replace("-", "_")
            if name not in self._settings:
                raise ConfigError(f"{path}: unknown setting {key!r}")
            found[name] = _convert(self._settings[name], value, f"{path}: {key}")
        return found


def _convert(setting: Setting, value: Any, where: str) -> Any:
    try:
        if setting.read is None:
            if (flag := _SWITCH.get(str(value).lower())) is None:
                raise ConfigError(f"{value!r} is neither true nor false")
            return flag
        if not setting.many:
            return setting.read(str(value))
        if not isinstance(value, list):
            raise ConfigError(f"{value!r} is not a list")
        return [setting.read(str(item)) for item in value]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _complaining(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return read(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
