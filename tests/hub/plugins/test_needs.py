from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from perijove.hub.adapters.spawners import cgroups
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.plugins.configuration import Configuration, load
from perijove.hub.plugins.needs import check_authenticator, spawner_caveats
from perijove.hub.settings.loading import Arguments

Configured = Callable[[str], Configuration]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """A function that loads a configuration file with that text."""

    def configure(text: str) -> Configuration:
        (tmp_path / "config.py").write_text(text)
        return load(Arguments(tmp_path / "config.py", (), tmp_path, {}))

    return configure


OLD = """
from tornado.web import RequestHandler
from perijove.hub.ports.authenticator import Authenticator
class Mine(Authenticator):
    def get_handlers(self, app):
        return [("/oauth_login", RequestHandler)]
c.JupyterHub.authenticator_class = Mine
"""


def test_an_authenticator_with_handlers_of_tornado_is_found_out_before_the_start(configured: Configured) -> None:
    check_authenticator(configured(""))
    with pytest.raises(PerijoveError, match="the Tornado handler RequestHandler for /oauth_login"):
        check_authenticator(configured(OLD))


def test_a_spawner_that_needs_nothing_has_no_caveats(configured: Configured) -> None:
    text = (
        "from perijove.hub.ports.spawner import Spawner\nclass Mine(Spawner): pass\nc.JupyterHub.spawner_class = Mine"
    )
    assert spawner_caveats(configured(text)) == []


def test_limits_that_are_not_held_are_told(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(cgroups, "places", lambda parent: {})
    assert spawner_caveats(configured("")) == []
    (sentence,) = spawner_caveats(configured("c.Spawner.mem_limit = '2G'"))
    assert "for memory are not held" in sentence


def test_a_hub_that_is_root_is_warned_of_its_users(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (sentence,) = spawner_caveats(configured(""))
    assert "each user can do everything on this machine" in sentence
    assert spawner_caveats(configured("c.JupyterHub.spawner_class = 'localprocess'")) == []


def test_without_root_nobody_can_become_somebody_else(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PerijoveError, match=r'Run it as root, or set c\.JupyterHub\.spawner_class = "simple"') as error:
        spawner_caveats(configured("c.JupyterHub.spawner_class = 'localprocess'"))
    assert error.value.code is Code.FAILED
