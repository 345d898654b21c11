from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from traitlets import Set, TraitError, Unicode
from traitlets.config import Config

from perijove.hub.core.errors import PerijoveError
from perijove.hub.ports.authenticator import Authenticator, SignInRequest
from perijove.hub.ports.spawner import SpawnerUser

REQUEST = SignInRequest(address="192.0.2.1", headers={"x-user": "alice"})


class Believing(Authenticator):
    """Answers what the form says under ``answer``."""

    def authenticate(self, handler: SignInRequest, data: Mapping[str, Any]) -> Any:
        return data.get("answer")


async def sign_in(answer: Any, *, users: tuple[str, ...] = (), **options: Any) -> dict[str, Any] | None:
    async def existing(name: str) -> bool:
        return name in users

    return await Believing(**options).get_authenticated_user(REQUEST, {"answer": answer}, existing=existing)


async def test_nobody_gets_in_without_a_rule() -> None:
    assert await sign_in("alice") is None
    assert not Believing().any_allow_config


@pytest.mark.parametrize(
    "options",
    [{"allow_all": True}, {"allowed_users": {"alice"}}, {"admin_users": {"alice"}}, {"allow_existing_users": True}],
)
async def test_each_rule_lets_in(options: dict[str, Any]) -> None:
    model = await sign_in("alice", users=("alice",), **options)
    assert model is not None
    assert model["name"] == "alice"
    assert Believing(**options).any_allow_config


@pytest.mark.parametrize(
    "options", [{"allowed_users": {"bob"}}, {"admin_users": {"bob"}}, {"allow_existing_users": True}]
)
async def test_a_rule_for_others_does_not(options: dict[str, Any]) -> None:
    assert await sign_in("alice", **options) is None


@pytest.mark.parametrize("options", [{"allow_all": True}, {"admin_users": {"alice"}}, {"allowed_users": {"alice"}}])
async def test_blocked_beats_allowed(options: dict[str, Any]) -> None:
    assert await sign_in("Alice", users=("alice",), blocked_users={"ALICE"}, **options) is None


async def test_existing_users_get_in_where_some_are_named() -> None:
    assert await sign_in("carol", users=("carol",), allowed_users={"alice"}) is not None
    assert await sign_in("carol", users=("carol",), allowed_users={"alice"}, allow_existing_users=False) is None


@pytest.mark.parametrize("answer", [None, "", {}])
async def test_no_answer_is_no_user(answer: Any) -> None:
    assert await sign_in(answer, allow_all=True) is None


async def test_names_are_normalised_and_mapped() -> None:
    model = await sign_in("Alice@X", allow_all=True, username_map={"alice@x": "Alice"})
    assert model is not None
    assert model["name"] == "alice"
    assert Believing(allowed_users={"ALICE"}).allowed_users == {"alice"}


async def test_an_impossible_name_is_an_error() -> None:
    with pytest.raises(PerijoveError):
        await sign_in("../etc", allow_all=True)


@pytest.mark.parametrize(("name", "fits"), [("abc", True), ("abc1", False), ("xabc", False)])
async def test_the_whole_name_must_fit_the_pattern(name: str, fits: bool) -> None:
    assert (await sign_in(name, allow_all=True, username_pattern="[a-c]+") is not None) is fits


def test_a_broken_pattern_is_refused() -> None:
    with pytest.raises(TraitError, match="not a regular expression"):
        Authenticator(username_pattern="(")


@pytest.mark.parametrize(
    ("answer", "admins", "expected"),
    [
        ("alice", (), None),
        ("alice", ("alice",), True),
        ({"name": "alice", "admin": True}, (), True),
        ({"name": "alice", "admin": False}, ("alice",), False),
        ({"name": "alice", "admin": None}, ("alice",), True),
    ],
)
async def test_who_is_administrator(answer: Any, admins: tuple[str, ...], expected: bool | None) -> None:
    model = await sign_in(answer, allow_all=True, admin_users=set(admins))
    assert model is not None
    assert model["admin"] is expected


async def test_the_hook_has_the_last_word() -> None:
    seen: list[Any] = []

    async def hook(authenticator: Authenticator, handler: SignInRequest, model: dict[str, Any]) -> dict[str, Any]:
        seen.append(handler)
        return model | {"groups": ["staff"]}

    model = await sign_in("alice", allow_all=True, post_auth_hook=hook)
    assert model == {"name": "alice", "admin": None, "groups": ["staff"]}
    assert seen == [REQUEST]


async def test_a_hook_that_gives_nothing_refuses() -> None:
    assert await sign_in("alice", allow_all=True, post_auth_hook=lambda *_: None) is None


async def test_a_name_from_a_hook_is_checked_as_any_other() -> None:
    def hook(authenticator: Authenticator, handler: SignInRequest, model: dict[str, Any]) -> dict[str, Any]:
        return model | {"name": "Mallory"}

    model = await sign_in("alice", allow_all=True, post_auth_hook=hook)
    assert model is not None
    assert model["name"] == "mallory"
    assert await sign_in("alice", allow_all=True, post_auth_hook=hook, blocked_users={"mallory"}) is None
    assert await sign_in("alice", allow_all=True, post_auth_hook=hook, username_pattern="al.*") is None


@pytest.mark.parametrize("answer", [7, ["alice"], object(), {"nam": "alice"}, {"name": 7}, {"name": b"alice"}])
async def test_an_answer_of_the_wrong_type_is_named(answer: Any) -> None:
    with pytest.raises(TypeError, match=r"Believing\.authenticate gave"):
        await sign_in(answer, allow_all=True)


@pytest.mark.parametrize("admin", ["False", "no", 1, []])
async def test_an_administrator_is_made_by_true_only(admin: Any) -> None:
    with pytest.raises(TypeError, match=r"Believing\.authenticate gave 'admin'"):
        await sign_in({"name": "alice", "admin": admin}, allow_all=True)

    class Lying(Believing):
        def is_admin(self, handler: SignInRequest, authentication: Any) -> Any:
            return "False"

    with pytest.raises(TypeError, match=r"Lying\.is_admin gave 'admin'"):
        await Lying(allow_all=True).get_authenticated_user(REQUEST, {"answer": "alice"}, existing=lambda name: False)  # type: ignore[arg-type,return-value]


async def test_a_plug_in_that_keeps_capital_letters_does_not_make_another_user() -> None:
    class Keeping(Believing):
        def normalize_username(self, username: str) -> str:
            return username

    async def existing(name: str) -> bool:
        return False

    model = await Keeping(allow_all=True).get_authenticated_user(REQUEST, {"answer": "Alice"}, existing=existing)
    assert model is not None
    assert model["name"] == "alice"


async def test_one_that_hangs_is_given_up() -> None:
    class Hanging(Believing):
        async def authenticate(self, handler: SignInRequest, data: Mapping[str, Any]) -> Any:
            await asyncio.Event().wait()

    async def existing(name: str) -> bool:
        return False

    with pytest.raises(TimeoutError):
        await Hanging(sign_in_timeout=1.0).get_authenticated_user(REQUEST, {}, existing=existing)


async def test_options_of_the_base_reach_every_subclass() -> None:
    config = Config({"Authenticator": {"allow_all": True, "admin_users": {"Admin"}}})
    authenticator = Believing(config=config)
    assert authenticator.allow_all
    assert authenticator.admin_users == {"admin"}


async def test_one_that_does_not_say_how_says_so() -> None:
    with pytest.raises(TypeError, match="must override authenticate"):
        Authenticator().authenticate(REQUEST, {})


class Refreshing(Believing):
    """Answers a refresh with `answer`."""

    answer: Any = True

    def refresh_user(self, user: SpawnerUser, handler: SignInRequest | None = None) -> Any:
        return self.answer


async def refresh(answer: Any, *, admin: bool = False, **options: Any) -> Any:
    authenticator = Refreshing(**{"allow_all": True, **options})
    authenticator.answer = answer
    return await authenticator.get_refreshed_user(SpawnerUser(1, "alice", admin), REQUEST)


@pytest.mark.parametrize(("answer", "means"), [(True, True), (False, False), (None, False), ({}, False)])
async def test_a_refresh_may_be_yes_or_no(answer: Any, means: bool) -> None:
    assert await refresh(answer) is means


async def test_a_refresh_may_tell_what_has_changed() -> None:
    assert await refresh({"user_info": {}}) == {"name": "alice", "admin": None, "user_info": {}}
    mapped = await refresh({"name": "Alice@X", "admin": True}, username_map={"alice@x": "alice"})
    assert mapped == {"name": "alice", "admin": True}


@pytest.mark.parametrize("answer", ["alice", 1, ["alice"], {"name": "bob"}, {"name": None}, {"groups": "staff"}])
async def test_a_refresh_that_is_none_is_an_error(answer: Any) -> None:
    with pytest.raises(TypeError):
        await refresh(answer)


async def test_the_rules_hold_at_a_refresh_too() -> None:
    told: dict[str, Any] = {"user_info": {}}
    assert await refresh(told, blocked_users={"alice"}) is False
    assert await refresh(told, allow_all=False) is False
    assert await refresh(told, allow_all=False, admin=True) is not False
    assert await refresh(told, allow_all=False, allow_existing_users=True) is not False


def test_a_map_finds_names_in_any_spelling() -> None:
    authenticator = Believing(username_map={"Ada@X": "Ada"})
    assert authenticator.normalize_username("ADA@x") == "ada"


@pytest.mark.parametrize("wrong", [{"a/b": "ada"}, {"ada": ""}, {"ada": "x" * 256}, {7: "ada"}])
def test_a_map_of_what_can_be_no_name_is_refused(wrong: Any) -> None:
    with pytest.raises(TraitError):
        Believing(username_map=wrong)


def test_an_allow_rule_of_a_subclass_is_a_rule() -> None:
    class ByTeam(Believing):
        allowed_teams = Set(Unicode()).tag(config=True)

    assert not ByTeam().any_allow_config
    assert ByTeam(allowed_teams={"a"}).any_allow_config
