from __future__ import annotations

import json
from pathlib import Path

from perijove.hub.cli.showing import as_json, as_text
from perijove.hub.settings.loading import Arguments, Flag, Loaded, load


def loaded(folder: Path, text: str, *flags: Flag) -> Loaded:
    (folder / "jupyterhub_config.py").write_text(text)
    return load(Arguments(flags=flags, folder=folder))


def test_what_is_set_is_shown_with_its_place_and_without_secrets(tmp_path: Path) -> None:
    text = as_text(
        loaded(
            tmp_path,
            "c.Spawner.args.append('-x')\n"
            "c.JupyterHub.services = [{'name': 'ops', 'api_token': 'geheim'}]\n"
            "c.Authenticator.admin_users = {'anna'}\n",
            Flag("JupyterHub", "port", "1"),
        )
    )
    assert text.splitlines() == [
        "c.Authenticator.admin_users = {'anna'}  # jupyterhub_config.py:3",
        "c.JupyterHub.port = '1'  # command line",
        "c.JupyterHub.services = [{'name': 'ops', 'api_token': '***'}]  # jupyterhub_config.py:2",
        "c.Spawner.args.extend(['-x'])  # jupyterhub_config.py:1",
    ]


def test_the_same_as_json(tmp_path: Path) -> None:
    text = as_json(
        loaded(
            tmp_path,
            "from pathlib import Path\n"
            "c.JupyterHub.cookie_secret = b'geheim' * 6\n"
            "c.JupyterHub.spawner_class = Path\n"
            "c.Authenticator.admin_users = {'b', 'a'}\n"
            "c.Spawner.args.append('-x')\n",
            Flag("Spawner", "cmd", "a"),
            Flag("Spawner", "cmd", "b"),
        )
    )
    assert json.loads(text) == {
        "Authenticator": {"admin_users": ["a", "b"]},
        "JupyterHub": {"cookie_secret": "***", "spawner_class": "pathlib.Path"},
        "Spawner": {"args": {"extend": ["-x"]}, "cmd": ["a", "b"]},
    }


def test_an_empty_configuration_says_so(tmp_path: Path) -> None:
    assert "every option has its default" in as_text(load(Arguments(folder=tmp_path)))
