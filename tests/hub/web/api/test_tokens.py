from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import PerijoveError
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.testing.running import PASSWORD, RunningHub, running_hub
from perijove.hub.web.api.tokens import _number, token_request


async def test_a_token_is_made_used_shown_and_revoked(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    made = await client.post(f"{hub.api}/users/ada/tokens", json={"note": "for a script", "expires_in": 60})
    assert made.status_code == 201
    model = made.json()
    value = model.pop("token")
    assert model["note"] == "for a script"
    assert (model["user"], model["kind"], model["roles"], model["oauth_client"]) == (
        "ada",
        "api_token",
        [],
        "JupyterHub",
    )
    assert (model["created"], model["expires_at"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z")
    assert (await hub.client(value).get(f"{hub.api}/user")).json()["token_id"] == model["id"]
    shown = (await client.get(f"{hub.api}/users/ada/tokens/{model['id']}")).json()
    assert shown == model
    listed = (await client.get(f"{hub.api}/users/ada/tokens")).json()
    assert listed.keys() == {"api_tokens"}
    assert model in listed["api_tokens"]
    assert value not in str(listed)
    gone = await client.delete(f"{hub.api}/users/ada/tokens/{model['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await hub.client(value).get(f"{hub.api}/user")).status_code == 403
    assert (await client.get(f"{hub.api}/users/ada/tokens/{model['id']}")).status_code == 404


async def test_a_token_asked_for_with_nothing_may_all_and_lasts(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    for body in (None, b"{}", b'{"expires_in": null}', b'{"expires_in": 0}', b'{"scopes": null, "roles": null}'):
        model = (await client.post(f"{hub.api}/users/ada/tokens", content=body)).json()
        assert model["expires_at"] is None
        assert model["note"] == "Requested via api by user ada"
        assert "servers!user=ada" in model["scopes"]


async def test_a_token_by_password(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client = hub.client()
    auth = {"username": "ada", "password": PASSWORD}
    made = await client.post(f"{hub.api}/users/ada/tokens", json={"auth": auth, "note": "by password"})
    assert made.status_code == 201
    assert (await hub.client(made.json()["token"]).get(f"{hub.api}/user")).json()["name"] == "ada"
    await hub.add_user("bob")
    for name, credentials in (("bob", auth), ("ada", auth | {"password": "wrong"}), ("nobody", auth)):
        refused = await client.post(f"{hub.api}/users/{name}/tokens", json={"auth": credentials})
        assert refused.status_code == 403, name
    assert "perijove-device" not in client.cookies


async def test_a_token_by_password_makes_no_user(hub: RunningHub) -> None:
    assert isinstance(hub.state.authenticator, FakeAuthenticator)
    hub.state.authenticator.passwords["carol"] = PASSWORD
    auth = {"username": "carol", "password": PASSWORD}
    assert (await hub.client().post(f"{hub.api}/users/carol/tokens", json={"auth": auth})).status_code == 403
    root = hub.client(await hub.token("root", admin=True))
    assert (await root.get(f"{hub.api}/users/carol")).status_code == 404


@pytest.mark.parametrize("auth", ["ada", [], {"username": 7}, {str(n): "" for n in range(21)}])
async def test_credentials_that_are_no_form_are_a_mistake(hub: RunningHub, auth: Any) -> None:
    assert (await hub.client().post(f"{hub.api}/users/ada/tokens", json={"auth": auth})).status_code == 400


async def test_credentials_are_bounded_and_not_for_other_sites(hub: RunningHub) -> None:
    await hub.add_user("ada")
    long = {"username": "ada", "password": "x" * 5000}
    assert (await hub.client().post(f"{hub.api}/users/ada/tokens", json={"auth": long})).status_code == 403
    auth = {"username": "ada", "password": PASSWORD}
    foreign = hub.client(Origin="https://evil.example")
    assert (await foreign.post(f"{hub.api}/users/ada/tokens", json={"auth": auth})).status_code == 403


async def test_guesses_of_a_password_are_limited_here_too(hub: RunningHub) -> None:
    await hub.add_user("ada")
    client, guess = hub.client(), {"auth": {"username": "ada", "password": "wrong"}}
    answers = [await client.post(f"{hub.api}/users/ada/tokens", json=guess) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "600"
    assert answers[-1].json()["message"] == "Too many failed attempts. Try again in 10 minutes."


async def test_a_token_may_less_than_its_owner(hub: RunningHub) -> None:
    client = hub.client(await hub.token("ada"))
    made = (await client.post(f"{hub.api}/users/ada/tokens", json={"scopes": ["read:tokens!user"]})).json()
    assert made["scopes"] == ["read:tokens!user=ada", "read:users:groups!user=ada", "read:users:name!user=ada"]
    by_role = (await client.post(f"{hub.api}/users/ada/tokens", json={"roles": ["user"]})).json()
    assert "tokens!user=ada" in by_role["scopes"]


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["admin:users"]},
        {"scopes": ["no:such:scope"]},
        {"scopes": ["read:users!planet=x"]},
        {"roles": ["no-such-role"]},
        {"roles": ["user"], "scopes": ["self"]},
        {"scopes": "self"},
        {"scopes": [1]},
        {"roles": {"a": 1}},
        {"note": 5},
        {"note": "x" * 2000},
        {"note": "two\nlines"},
        {"expires_in": "60"},
        {"expires_in": 1.5},
        {"expires_in": True},
        {"expires_in": -1},
        {"expires_in": 10**12},
        {"anything": "else"},
        [],
        "text",
    ],
)
async def test_a_wrong_wish_for_a_token_is_400(hub: RunningHub, body: Any) -> None:
    client = hub.client(await hub.token("ada"))
    assert (await client.post(f"{hub.api}/users/ada/tokens", json=body)).status_code == 400


async def test_pvm9_no_token_lasts_longer_than_allowed() -> None:
    async with running_hub(token_maximum=100) as hub:
        client = hub.client(await hub.token("ada"))
        assert (await client.post("/hub/api/users/ada/tokens", json={"expires_in": 101})).status_code == 400
        for body in ({}, {"expires_in": 0}, {"expires_in": None}, {"expires_in": 100}):
            made = (await client.post("/hub/api/users/ada/tokens", json=body)).json()
            assert made["expires_at"] == "2026-01-01T00:01:40Z"


async def test_others_tokens_are_out_of_reach(hub: RunningHub) -> None:
    await hub.token("bob")
    client = hub.client(await hub.token("ada"))
    assert (await client.get(f"{hub.api}/users/bob/tokens")).status_code == 404
    assert (await client.get(f"{hub.api}/users/ada/tokens/a1")).status_code == 404
    assert (await client.delete(f"{hub.api}/users/ada/tokens/a1")).status_code == 404
    for name in ("bob", "nobody"):
        assert (await client.post(f"{hub.api}/users/{name}/tokens")).status_code == 403
    no_scope = hub.client(await hub.token("ada", "read:users!user"))
    assert (await no_scope.post(f"{hub.api}/users/ada/tokens")).status_code == 403
    assert (await no_scope.get(f"{hub.api}/users/ada/tokens")).status_code == 403


async def test_an_administrator_lists_tokens_of_nobody_with_404(hub: RunningHub) -> None:
    client = hub.client(await hub.token("root", admin=True))
    assert (await client.get(f"{hub.api}/users/nobody/tokens")).status_code == 404


@pytest.mark.parametrize("token_id", ["1", "a", "b1", "a-1", "a1x", "a" + "9" * 400, "a\u0661", "a9007199254740993"])
async def test_an_id_that_no_token_has_is_404(hub: RunningHub, token_id: str) -> None:
    client = hub.client(await hub.token("ada"))
    for method in ("GET", "DELETE"):
        assert (await client.request(method, f"{hub.api}/users/ada/tokens/{token_id}")).status_code == 404


def test_ids_and_wishes_are_read() -> None:
    assert _number("a17") == 17
    wish = token_request({"note": None, "scopes": ["self"], "expires_in": 5})
    assert (wish.note, wish.scopes, wish.expires_in, wish.roles) == ("", ("self",), 5, None)
    with pytest.raises(PerijoveError):
        token_request({"scopes": ["x" * 513]})
