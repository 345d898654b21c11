"""The long help, and the configuration file with every option commented out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from perijove.hub.cli.options import FOLLOWS, Option, Section

WIDTH = 100

_OPENING = """\
# The configuration of Perijove. It is Python; the options are the same as JupyterHub's.
# Every option stands here with its default. To change one, take the "# " away and write the value you want.
# `perijove check-config` says whether everything is right; `perijove` starts.

c = get_config()
"""


def help_all(sections: Sequence[Section]) -> str:
    """Return every option with type, default and help, as plain text."""
    lines: list[str] = []
    for section in sections:
        lines += [*_title(section), ""]
        for option in section.options:
            lines.append(f"--{section.name}.{option.name}=…")
            lines += _wrapped(option.help, "    ")
            lines += [*_wrapped(f"{_capital(option.kind)}. Default: {option.default or option.value}", "    "), ""]
    return "\n".join(lines).rstrip() + "\n"


def config_template(sections: Sequence[Section]) -> str:
    """Return a configuration file that changes nothing."""
    lines = [_OPENING]
    for section in sections:
        lines += [f"# {'-' * (WIDTH - 2)}", *(f"# {line}" for line in _title(section)), f"# {'-' * (WIDTH - 2)}", ""]
        for option in section.options:
            lines += _wrapped(option.help, "# ")
            lines += _wrapped(_remark(option), "# ")
            lines += [f"# c.{section.name}.{option.name} = {option.value}", ""]
    return "\n".join(lines)


def _title(section: Section) -> Iterator[str]:
    yield f"{section.name}" + (f" (and all of {section.parent})" if section.parent else "")
    yield from _wrapped(section.summary, "")


def _remark(option: Option) -> str:
    default = f" Default: {option.default}." if option.default and option.default != FOLLOWS else ""
    return f"{_capital(option.kind)}.{default}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
