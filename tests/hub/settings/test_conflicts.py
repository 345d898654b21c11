from __future__ import annotations

from typing import Any

import pytest
from traitlets.config import Config

from perijove.hub.settings.conflicts import conflicts
from perijove.hub.settings.jupyterhub import JupyterHub


def hub(**options: Any) -> JupyterHub:
    return JupyterHub(config=Config({"JupyterHub": Config(options)}))


def test_the_defaults_do_not_contradict_each_other() -> None:
    assert conflicts(hub()) == []


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"ssl_key": "k"}, "ssl_key"),
        ({"ssl_cert": "c"}, "ssl_cert"),
        ({"bind_url": "https://a:1"}, "bind_url"),
        ({"public_url": "https://a/x", "base_url": "/y"}, "public_url"),
        ({"api_page_default_limit": 300}, "api_page_default_limit"),
        ({"logo_file": "no-such-logo.svg"}, "logo_file"),
        ({"template_paths": ["no-such-folder"]}, "template_paths"),
        ({"default_server_name": "lab"}, "default_server_name"),
        ({"default_url": "https://elsewhere.test/"}, "default_url"),
        ({"default_url": "/hub/home", "base_url": "/jupyter/"}, "default_url"),
        ({"hub_port": 8000}, "hub_port"),
        ({"hub_port": 8000, "ip": ""}, "hub_port"),
    ],
)
def test_options_that_contradict_each_other_are_told(options: dict[str, Any], option: str) -> None:
    assert [name for name, _ in conflicts(hub(**options))] == [option]


def test_free_ports_do_not_contradict_each_other() -> None:
    assert conflicts(hub(port=0, hub_port=0)) == []
