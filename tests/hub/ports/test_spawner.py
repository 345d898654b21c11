from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from perijove.hub.core.groups import Group
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HubInfo, KeepsLog, SignalsExit, Spawner, SpawnerUser


def spawner(name: str = "", **options: Any) -> Spawner:
    made = Spawner(config=Config({"Spawner": options}))
    made.user = SpawnerUser(1, "al ice", False)
    made.hub = HubInfo(Site("/base/"), "http://hub:8081/base/hub/api", "/data")
    made.name = name
    made.api_token, made.oauth_client_id = "token", "client"
    return made


def test_the_environment_of_the_default_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_SINGLEUSER_APP", raising=False)
    scopes = json.dumps(["access:servers!server=al ice/", "access:servers!user=al ice"])
    assert spawner(port=8888).get_env() == {
        "JUPYTERHUB_API_TOKEN": "token",
        "JPY_API_TOKEN": "token",
        "JUPYTERHUB_CLIENT_ID": "client",
        "JUPYTERHUB_USER": "al ice",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES": "[]",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_API_URL": "http://hub:8081/base/hub/api",
        "JUPYTERHUB_ACTIVITY_URL": "http://hub:8081/base/hub/api/users/al%20ice/activity",
        "JUPYTERHUB_BASE_URL": "/base/",
        "JUPYTERHUB_SERVICE_PREFIX": "/base/user/al%20ice/",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:8888/base/user/al%20ice/",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "/base/user/al%20ice/oauth_callback",
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "0",
        "JUPYTERHUB_PUBLIC_URL": "",
        "JUPYTERHUB_PUBLIC_HUB_URL": "",
    }


def test_a_named_server_has_a_place_of_its_own() -> None:
    env = spawner("lab").get_env()
    assert env["JUPYTERHUB_SERVICE_PREFIX"] == "/base/user/al%20ice/lab/"
    assert env["JUPYTERHUB_SERVER_NAME"] == "lab"
    assert json.loads(env["JUPYTERHUB_OAUTH_ACCESS_SCOPES"])[0] == "access:servers!server=al ice/lab"


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"notebook_dir": "/home/{username}"}, "JUPYTERHUB_ROOT_DIR", "/home/al ice"),
        ({"default_url": "/tree"}, "JUPYTERHUB_DEFAULT_URL", "/tree"),
        ({"debug": True}, "JUPYTERHUB_DEBUG", "1"),
        ({"disable_user_config": True}, "JUPYTERHUB_DISABLE_USER_CONFIG", "1"),
        ({"mem_limit": "2G"}, "MEM_LIMIT", str(2**31)),
        ({"mem_guarantee": 512}, "MEM_GUARANTEE", "512"),
        ({"cpu_limit": 1.5}, "CPU_LIMIT", "1.5"),
        ({"cpu_guarantee": 0.5}, "CPU_GUARANTEE", "0.5"),
        ({"ip": "::1", "port": 1}, "JUPYTERHUB_SERVICE_URL", "http://[::1]:1/base/user/al%20ice/"),
        ({"hub_connect_url": "http://other:1/"}, "JUPYTERHUB_API_URL", "http://other:1/base/hub/api"),
        ({"environment": {"A": 1}}, "A", "1"),
        ({"environment": {"A": lambda spawner: spawner.user.name}}, "A", "al ice"),
    ],
)
def test_options_in_the_environment(options: dict[str, Any], name: str, value: str) -> None:
    assert spawner(**options).get_env()[name] == value
    if name not in ("JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_API_URL"):
        assert name not in spawner().get_env()


def test_only_named_variables_of_the_hub_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "yes")
    monkeypatch.setenv("HIDDEN", "yes")
    env = spawner(env_keep=["KEPT", "MISSING"]).get_env()
    assert env["KEPT"] == "yes"
    assert "HIDDEN" not in env
    assert "MISSING" not in env


def test_public_urls_where_servers_have_hosts() -> None:
    made = spawner()
    made.hub = HubInfo(Site("/", "https://hub.example"), "http://hub/hub/api", "/data")
    env = made.get_env()
    assert env["JUPYTERHUB_HOST"] == "https://hub.example"
    assert env["JUPYTERHUB_PUBLIC_URL"] == "https://hub.example/user/al%20ice/"
    assert env["JUPYTERHUB_PUBLIC_HUB_URL"] == "https://hub.example/hub/"


def test_arguments_may_hold_the_name() -> None:
    assert spawner(args=["--x={username}", "--y={base_url}", "{z}"]).get_args() == ["--x=al ice", "--y=/base/", "{z}"]


def test_objects_do_not_share_what_is_theirs() -> None:
    one, other = spawner(), spawner()
    one.environment["A"] = "1"
    one.args.append("--x")
    assert "A" not in other.environment
    assert other.args == []


async def test_defaults_of_what_need_not_be_overridden() -> None:
    made = Spawner()
    await made.checkpoint()
    assert made.get_state() == {}
    made.load_state({"x": 1})
    made.clear_state()
    assert [step async for step in made.progress()] == []
    assert not isinstance(made, SignalsExit)
    assert not isinstance(made, KeepsLog)


@pytest.mark.parametrize("method", ["start", "poll", "stop"])
def test_one_that_does_not_say_how_says_so(method: str) -> None:
    with pytest.raises(TypeError, match=rf"must override {method}"):
        getattr(Spawner(), method)()


async def test_hooks_may_be_plain_or_coroutines() -> None:
    seen: list[Any] = []

    async def slow(spawner: Spawner) -> None:
        seen.append(spawner)

    made = spawner()
    for hook in (None, seen.append, slow):
        await made.run_hook(hook)
    assert seen == [made, made]


@pytest.mark.parametrize("wrong", [{"a": 1}, {"a": {"groups": "staff", "spawner_override": {}}}])
def test_overrides_of_groups_are_checked_when_they_are_set(wrong: Any) -> None:
    with pytest.raises(TraitError, match="group_overrides"):
        Spawner(group_overrides=wrong)


async def test_only_members_get_the_overrides_of_a_group() -> None:
    overrides = {"x": {"groups": ["staff"], "spawner_override": {"environment": {"A": "2"}}}}
    made = spawner(group_overrides=overrides, environment={"A": "1"})
    await made.apply_group_overrides()
    assert made.environment == {"A": "1"}
    made.user = replace(made.user, groups=(Group(1, "staff"),))
    await made.apply_group_overrides()
    assert made.environment == {"A": "2"}


async def test_nothing_is_kept_about_a_user_by_default() -> None:
    user = SpawnerUser(1, "ada", False)
    await user.save_auth_state({"token": "x"})
    assert await user.get_auth_state() is None
    assert user == SpawnerUser(1, "ada", False)
