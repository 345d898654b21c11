"""Reading a configuration: Python file, environment and flags become one traitlets `Config`.

Later ones win: defaults, file, flags. The environment has the cookie secret where neither file nor flags set it.
A value given by a flag stays text until the option's type is known; nothing is checked here but what cannot be read.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from traitlets import TraitType
from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, DeferredConfigList, PyFileConfigLoader

from perijove.hub.core.names import shorten
from perijove.hub.settings.jupyterhub import DEFAULT_CONFIG_FILE
from perijove.hub.settings.mistakes import Mistake
from perijove.hub.settings.secrets import is_secret

COOKIE_SECRET = "JPY_COOKIE_SECRET"
COMMAND_LINE = "command line"
BIND_PARTS = ("ip", "port", "base_url")
_FILE_OPTIONS = frozenset({"data_dir", "ssl_key", "ssl_cert", "pid_file", "cookie_secret_file"})


@dataclass(frozen=True, slots=True)
class Flag:
    """``--Section.option=text`` on the command line."""

    section: str
    option: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says about the configuration.

    Attributes:
        config_file: the file named with -f; None to take jupyterhub_config.py if the current folder has one.
        flags: options in the order in which they were given.
        folder: the current folder.
        environment: the environment of the hub.
    """

    config_file: Path | None = None
    flags: tuple[Flag, ...] = ()
    folder: Path = field(default_factory=Path.cwd)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class Loaded(Struct, frozen=True):
    """A configuration as it was written.

    Attributes:
        config: everything merged.
        file: the configuration file that was read, absolute; None if there is none.
        places: where each (section, option) was set.
        mistakes: what could not be read, and what one source says twice.
        warnings: what works but should not be so.
    """

    config: Config
    file: Path | None
    places: Mapping[tuple[str, str], str]
    mistakes: tuple[Mistake, ...]
    warnings: tuple[str, ...]


def load(arguments: Arguments) -> Loaded:
    """Read the file, put the flags on top, and look into the environment for what is still missing."""
    path = _config_file(arguments)
    mistakes: list[Mistake] = []
    places: dict[tuple[str, str], str] = {}
    config = Config()
    if path is not None:
        config = _read(path, places, mistakes)
        mistakes += _bind_conflicts(config, lambda option: places.get(("JupyterHub", option), path.name))
    flags = _flags_config(arguments)
    mistakes += _bind_conflicts(flags, lambda _: COMMAND_LINE)
    _merge(config, flags)
    places |= {(section, option): COMMAND_LINE for section in flags for option in flags[section]}
    _add_environment(config, arguments.environment, places)
    warnings = [
        f"{COMMAND_LINE}: everybody on this machine can see --{flag.section}.{flag.option} in the list of processes; "
        "set it in the configuration file"
        for flag in arguments.flags
        if is_secret(flag.option)
    ]
    return Loaded(config, path, places, tuple(mistakes), tuple(dict.fromkeys(warnings)))


def _config_file(arguments: Arguments) -> Path | None:
    named = arguments.config_file
    for flag in arguments.flags:
        if (flag.section, flag.option) == ("JupyterHub", "config_file"):
            named = Path(flag.text)
    if named is not None:
        return arguments.folder / named.expanduser()
    path = arguments.folder / DEFAULT_CONFIG_FILE
    return path if path.is_file() else None


class _Reader(PyFileConfigLoader):
    """Reads a configuration file, and remembers that file and those it loads."""

    def __init__(self, filename: str, path: str | None = None, read: list[Path] | None = None) -> None:
        super().__init__(filename, path)
        self.read = [] if read is None else read

    def load_subconfig(self, fname: str, path: str | None = None) -> None:
        """Merge another file, looked for beside this one; it is no mistake if there is none."""
        loader = type(self)(fname, self.path if path is None else path, self.read)
        try:
            self.config.merge(loader.load_config())
        except ConfigFileNotFound:
            return

    def _read_file_as_dict(self) -> None:
        self.read.append(Path(self.full_filename))
        super()._read_file_as_dict()


def _read(path: Path, places: dict[tuple[str, str], str], mistakes: list[Mistake]) -> Config:
    reader = _Reader(path.name, str(path.parent))
    try:
        if not path.is_file():
            raise ConfigFileNotFound
        config = reader.load_config()
    except ConfigFileNotFound:
        mistakes.append(
            Mistake("there is no such configuration file (perijove --generate-config writes one)", str(path))
        )
        return Config()
    except (Exception, SystemExit) as error:
        mistakes.append(Mistake(*_failure(error, reader.read or [path])))
        return Config()
    for file in reader.read:
        places.update(_assignments(file))
    return config


def _failure(error: BaseException, files: list[Path]) -> tuple[str, str]:
    """Return what happened in a configuration file, and where."""
    what = shorten(" ".join(str(error).split()), 300)
    text = f"{type(error).__name__}: {what}" if what else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename in {str(file) for file in files}:
        return f"{type(error).__name__}: {error.msg}", f"{Path(error.filename or '').name}:{error.lineno}"
    names = {str(file) for file in files}
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in names]
    place = f"{Path(lines[-1].filename).name}:{lines[-1].lineno}" if lines else files[-1].name
    return text, place


def _assignments(file: Path) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield where ``….Section.option`` stands in *file*; the last one of several counts."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr[:1].isupper():
            yield (node.value.attr, node.attr), f"{file.name}:{node.lineno}"


def _flags_config(arguments: Arguments) -> Config:
    gathered: dict[tuple[str, str], list[str]] = {}
    for flag in arguments.flags:
        text = flag.text
        if flag.section == "JupyterHub":
            text = _from_here(flag.option, text, arguments.folder)
        gathered.setdefault((flag.section, flag.option), []).append(text)
    config = Config()
    for (section, option), texts in gathered.items():
        config[section][option] = FlagTexts(texts)
    return config


class FlagTexts(DeferredConfigList):
    """The texts that one flag was given; what they mean is decided by the option's type."""

    def get_value(self, trait: TraitType[Any, Any]) -> Any:
        """Return the value for *trait*; a list, set or dictionary may be written as one text, as in Python."""
        takes_items = hasattr(trait, "from_string_list")
        if takes_items and len(self) == 1 and self[0][:1] + self[0][-1:] in {"[]", "{}", "()"}:
            try:
                return ast.literal_eval(self[0])
            except (ValueError, SyntaxError):
                return self[0]
        return super().get_value(trait)


def _from_here(option: str, text: str, folder: Path) -> str:
    """Return *text*, made absolute if it names a file: on a command line that starts in the current folder."""
    if option in _FILE_OPTIONS and text:
        return str(folder / Path(text).expanduser())
    if option == "db_url":
        scheme, mark, name = text.partition(":///")
        if not mark and "://" not in text and text:
            return str(folder / text)
        if mark and scheme.startswith("sqlite") and name not in {"", ":memory:"}:
            return f"{scheme}:///{folder / name}"
    return text


def _bind_conflicts(config: Config, place: Callable[[str], str]) -> Iterator[Mistake]:
    """Yield where one source gives two values for a part of bind_url."""
    section = {
        option: _text(value)
        for option, value in config.get("JupyterHub", {}).items()
        if isinstance(value, (str, int, list))
    }
    url = section.get("bind_url")
    if not url:
        return
    try:
        parts = urlsplit(url)
        in_url = {"ip": parts.hostname, "port": parts.port, "base_url": parts.path.strip("/") or None}
    except ValueError:
        return
    for option in BIND_PARTS:
        value = section.get(option)
        text = str(value).strip("/" if option == "base_url" else "[]")
        if option in section and in_url[option] is not None and text != str(in_url[option]):
            yield Mistake(
                f"c.JupyterHub.{option} is {text!r}, but bind_url says {in_url[option]!r}; set one of them",
                place(option),
            )


def _text(value: Any) -> str:
    return str(value[-1] if isinstance(value, DeferredConfigList) else value)


def _merge(config: Config, flags: Config) -> None:
    """Put *flags* over *config*; a flag for the whole of bind_url also replaces its parts from the file."""
    if "bind_url" in flags.get("JupyterHub", {}):
        for option in BIND_PARTS:
            config.get("JupyterHub", {}).pop(option, None)
    config.merge(deepcopy(flags))


def _add_environment(config: Config, environment: Mapping[str, str], places: dict[tuple[str, str], str]) -> None:
    if environment.get(COOKIE_SECRET) and not config.get("JupyterHub", {}).get("cookie_secret"):
        config["JupyterHub"]["cookie_secret"] = environment[COOKIE_SECRET]
        places["JupyterHub", "cookie_secret"] = f"${COOKIE_SECRET}"
