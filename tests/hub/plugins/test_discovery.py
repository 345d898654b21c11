from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import pytest

from perijove.hub.adapters.authenticators.dummy import DummyAuthenticator
from perijove.hub.adapters.authenticators.password import PasswordAuthenticator
from perijove.hub.adapters.spawners.local import LocalProcessSpawner, SimpleLocalProcessSpawner
from perijove.hub.plugins import discovery
from perijove.hub.plugins.discovery import (
    AUTHENTICATOR,
    PROXY,
    SPAWNER,
    Kind,
    PluginError,
    registered,
    registered_classes,
    resolve,
)
from perijove.hub.ports.authenticator import Authenticator
from perijove.hub.ports.spawner import Spawner


class Register(Protocol):
    def __call__(self, group: str, name: str, value: str) -> None: ...


class Mine(Spawner):
    """A spawner of the operator's own."""


def test_a_plugin_is_found_by_name_by_path_and_as_a_class() -> None:
    assert resolve(AUTHENTICATOR, "dummy") is DummyAuthenticator
    assert resolve(AUTHENTICATOR, "perijove.hub.ports.authenticator.Authenticator") is Authenticator
    assert resolve(AUTHENTICATOR, "perijove.hub.ports.authenticator:Authenticator") is Authenticator
    assert resolve(SPAWNER, Mine) is Mine


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (AUTHENTICATOR, "dumy", "there is no authenticator 'dumy'; did you mean dummy?"),
        (SPAWNER, "zzz", "there is no spawner 'zzz'; there are localprocess, simple"),
        (AUTHENTICATOR, "pam", "the authenticator 'pam' signs in with accounts of the system"),
        (AUTHENTICATOR, "jupyterhub.auth.PAMAuthenticator", "signs in with accounts of the system"),
        (AUTHENTICATOR, "oauthenticator.github.GitHubOAuthenticator", "another party's accounts"),
        (AUTHENTICATOR, "jupyterhub.auth.DummyAuthenticator", 'is called "dummy" here'),
        (SPAWNER, "dockerspawner.DockerSpawner", "starts containers"),
        (SPAWNER, "jupyterhub.spawner.LocalProcessSpawner", 'is called "localprocess" here'),
        (SPAWNER, "jupyterhub.spawner.SimpleLocalProcessSpawner", 'is called "simple" here'),
        (PROXY, "jupyterhub_traefik_proxy.TraefikFileProviderProxy", 'use "configurable-http-proxy"'),
        (SPAWNER, "no_such_package.Thing", "cannot be imported: ModuleNotFoundError"),
        (SPAWNER, "perijove.hub.ports.spawner.Spwaner", "has no class 'Spwaner'; did you mean Spawner?"),
        (SPAWNER, "perijove.hub.ports.spawner.Path", "has no class 'Path'"),
        (SPAWNER, "perijove.hub.ports.spawner.call_plugin", "is no class"),
        (
            SPAWNER,
            "perijove.hub.ports.authenticator.Authenticator",
            "must be a class derived from perijove.hub.ports.spawner",
        ),
        (SPAWNER, Authenticator, "must be a class derived from perijove.hub.ports.spawner.Spawner"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(kind: Kind, value: str | type, why: str) -> None:
    with pytest.raises(PluginError) as error:
        resolve(kind, value)
    assert why in str(error.value)


def test_a_plugin_that_cannot_be_imported_says_why(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_plugin_for_a_test.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    register("perijove.spawners", "broken", "broken_plugin_for_a_test:Broken")
    with pytest.raises(PluginError, match="'broken' cannot be loaded: RuntimeError: no licence"):
        resolve(SPAWNER, "broken")
    assert registered_classes(SPAWNER) == [LocalProcessSpawner, SimpleLocalProcessSpawner]
    assert "broken_plugin_for_a_test" not in sys.modules


def test_two_plugins_of_one_name_are_refused(register: Register) -> None:
    register("perijove.authenticators", "dummy", "perijove.hub.ports.authenticator:Authenticator")
    with pytest.raises(PluginError, match=r"two authenticators called 'dummy'.*import path"):
        resolve(AUTHENTICATOR, "dummy")


def test_one_plugin_that_is_listed_twice_is_one(register: Register) -> None:
    register("perijove.authenticators", "dummy", "perijove.hub.adapters.authenticators.dummy:DummyAuthenticator")
    assert resolve(AUTHENTICATOR, "dummy") is DummyAuthenticator


def test_what_is_registered_can_be_listed() -> None:
    assert set(registered(AUTHENTICATOR)) == {"dummy", "password"}
    assert registered_classes(AUTHENTICATOR) == [DummyAuthenticator, PasswordAuthenticator]
    assert SPAWNER.option == "spawner_class"


def test_our_own_plugins_are_loaded_ahead_and_nobody_elses(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register("perijove.spawners", "theirs", "plugin_of_others:Spawner")
    loaded: list[str] = []
    monkeypatch.setattr(discovery, "_load", lambda _, point: loaded.append(point.name))
    discovery.load_ours()
    assert "simple" in loaded
    assert "theirs" not in loaded
