from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.groups import Group
from perijove.hub.core.site import Site
from perijove.hub.ports.spawner import HubInfo, KeepsLog, SignalsExit, Spawner, SpawnerUser
from perijove.hub.ports.traits import call_plugin


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


async def test_a_form_may_be_text_or_a_function() -> None:
    assert await spawner().get_options_form() == ""
    text = spawner(options_form="<input name=image><script>x()</script>")
    text.script_nonce = "n1"
    assert await text.get_options_form() == '<input name=image><script nonce="n1">x()</script>'

    async def later(spawner: Spawner) -> str:
        return f"<p>{spawner.user.name}<script>x()</script>"

    for function in (later, lambda spawner: f"<p>{spawner.user.name}<script>x()</script>"):
        made = spawner(options_form=function)
        made.script_nonce = "n1"
        assert await made.get_options_form() == "<p>al ice<script>x()</script>"
    assert await spawner(options_form=lambda spawner: None).get_options_form() == ""


@pytest.mark.parametrize(
    ("reader", "options"),
    [
        ("passthrough", {"image": ["a"]}),
        ("simple", {"image": "a"}),
        (lambda form: {"chosen": form["image"][0]}, {"chosen": "a"}),
        (lambda form, spawner: {spawner.user.name: form["image"][0]}, {"al ice": "a"}),
    ],
)
async def test_a_form_is_read_as_configured(reader: Any, options: Any) -> None:
    made = spawner(options_from_form=reader)
    assert await made.run_options_from_form({"image": ["a"]}) == options
    assert await call_plugin(made.options_from_query, {"image": ["a"]}) == options


async def test_a_spawner_may_read_forms_by_methods_of_its_own() -> None:
    class Own(Spawner):
        def options_from_form(self, form: Any) -> Any:
            return {"method": form["image"]}

        async def get_options_form(self) -> str:
            return "<own>"

    assert await Own().run_options_from_form({"image": ["a"]}) == {"method": ["a"]}
    assert await Own().get_options_form() == "<own>"


async def test_forms_come_as_they_are_by_default() -> None:
    assert await spawner().run_options_from_form({"image": ["a", "b"]}) == {"image": ["a", "b"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"options_from_form": "sample"},
        {"apply_user_options": {"image": "no_such_option"}},
        {"apply_user_options": {"image": 5}},
        {"apply_user_options": "cmd"},
    ],
)
def test_what_cannot_read_or_take_options_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TraitError):
        Spawner(**wrong)


async def test_chosen_options_set_what_they_may_and_nothing_else() -> None:
    made = spawner(apply_user_options={"cpus": "cpu_limit", "memory": "mem_limit", "url": "default_url", "on": "debug"})
    made.user_options = {"cpus": "1.5", "memory": "2G", "url": "/tree", "on": "true", "cmd": ["evil"], "start": "x"}
    await made.run_apply_user_options()
    assert (made.cpu_limit, made.mem_limit, made.default_url, made.debug) == (1.5, 2 * 2**30, "/tree", True)
    assert made.cmd == ["perijove-singleuser"]
    assert callable(made.start)


@pytest.mark.parametrize("value", [["1"], {"a": 1}, "many", "__import__('os')", None, "x" * 70_000])
async def test_hx46_a_chosen_option_that_does_not_fit_is_refused_in_words(value: Any) -> None:
    made = spawner(apply_user_options={"port": "port"})
    made.user_options = {"port": value}
    with pytest.raises(PerijoveError) as refused:
        await made.run_apply_user_options()
    assert (refused.value.code, refused.value.message) == (Code.INVALID, "The option 'port' must be an int.")


async def test_a_function_may_take_the_options() -> None:
    taken: list[Any] = []

    async def later(spawner: Spawner, options: Any) -> None:
        taken.append(dict(options))

    for function in (later, lambda spawner, options: taken.append(dict(options))):
        made = spawner(apply_user_options=function)
        made.user_options = {"a": 1}
        await made.run_apply_user_options()
    assert taken == [{"a": 1}, {"a": 1}]
