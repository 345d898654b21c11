"""docs/configuration.md, made from the options themselves.

``python -m perijove.hub.cli.documentation > docs/configuration.md`` makes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from perijove.hub.cli.arguments import ALIASES
from perijove.hub.cli.options import Option, Section, sections

_OPENING = """\
# Configuration

<!-- Made by `python -m perijove.hub.cli.documentation > docs/configuration.md`.
     Changes belong into the help of the options. -->

Perijove runs without any configuration. To change something, write a file `jupyterhub_config.py` in the folder in
which you start `perijove`, or name another with `perijove -f FILE`:

```python
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:8100"
c.Authenticator.admin_users = {"admin"}
c.Spawner.default_url = "/tree"
```

`perijove --generate-config` writes such a file with every option in it, commented out. `perijove check-config` lists
every mistake in it, each with the nearest right name, and starts nothing. `perijove --show-config` shows what is set,
and where.

Each option can also be given on the command line, as `--Spawner.default_url=/tree`; lists are given item by item
(`--Spawner.args=--debug --Spawner.args=--no-browser`) or as Python (`--Spawner.args='["--debug"]'`). The command line
beats the file, the file beats the default. An option of a class holds for all classes derived from it: `c.Spawner.…`
reaches every spawner.

The names are those of JupyterHub, so that a file written for it either works or is refused with a sentence that says
what to write instead. Nothing is ignored silently.

## Short flags

| flag | sets |
| --- | --- |
"""

_ENVIRONMENT = """
`--no-supervisor` runs the hub in the process of the command itself: nothing starts it again when it dies, and SIGHUP
ends it.
## Environment

| variable | meaning |
| --- | --- |
| `JPY_COOKIE_SECRET` | the cookie secret in hexadecimal digits, if `c.JupyterHub.cookie_secret` is not set |
| `JUPYTERHUB_CRYPT_KEY` | keys for `c.Authenticator.enable_auth_state`, the newest first, separated by semicolons |
| `CONFIGPROXY_AUTH_TOKEN` | the token of the proxy's admin API, if `c.ConfigurableHTTPProxy.auth_token` is not set |
| `PERIJOVE_DATA_DIR` | the folder of the hub's own files, if there is no configuration file |
| `XDG_DATA_HOME` | the folder in which that folder is, if `PERIJOVE_DATA_DIR` is not set |
"""


def markdown(described: Sequence[Section]) -> str:
    """Return the page that describes all options."""
    lines = [_OPENING.rstrip("\n")]
    lines += [f"| `--{name} {metavar}` | `c.JupyterHub.{option}` |" for name, (metavar, option, _) in ALIASES.items()]
    lines += ["| `--debug` | `c.JupyterHub.log_level` to `DEBUG` |"]
    lines += [_ENVIRONMENT.rstrip("\n")]
    for section in described:
        lines += ["", f"## {section.name}", "", _summary(section)]
        if section.options:
            lines += ["", "| option | value | default | meaning |", "| --- | --- | --- | --- |"]
            lines += [_row(section, option) for option in section.options]
    return "\n".join(lines) + "\n"


def _summary(section: Section) -> str:
    return f"{section.summary} It has all options of `{section.parent}` too." if section.parent else section.summary


def _row(section: Section, option: Option) -> str:
    # The interpreter's path differs from machine to machine.
    default = option.default or f"`{option.value.replace(sys.executable, 'python')}`"
    cells = (f"`c.{section.name}.{option.name}`", option.kind, default, option.help)
    return "| " + " | ".join(_escaped(cells)) + " |"


def _escaped(cells: Sequence[str]) -> Iterator[str]:
    for cell in cells:
        yield cell.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(markdown(sections(own_only=True)))
