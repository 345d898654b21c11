"""The main job without a browser: everything by REST, as scripts and services do it."""

from __future__ import annotations

import asyncio

import httpx
from tests.support.hubs import OPS_TOKEN, RunningHub, eventually, server_sent_events
from tests.support.kernels import run_in_kernel


def test_a_user_a_server_a_kernel_and_all_gone_again(configured: RunningHub) -> None:
    with configured.client(OPS_TOKEN) as api:
        assert api.get("/info").json()["spawner"]["class"].endswith("SimpleLocalProcessSpawner")
        created = api.post("/users/Ada")
        assert (created.status_code, created.json()["name"]) == (201, "ada")
        assert api.post("/users/ada").status_code == 409
        assert {user["name"] for user in api.get("/users").json()} == {"admin", "ada"}

        began = api.post("/users/ada/server", json={"user_options": {"size": "small"}})
        assert began.status_code in {201, 202}, began.text
        with api.stream("GET", "/users/ada/server/progress") as stream:
            steps = list(server_sent_events(stream))
        assert steps[-1]["ready"] is True
        assert steps[-1]["url"] == "/user/ada/"
        server = api.get("/users/ada").json()["servers"][""]
        assert server["ready"] is True
        assert server["user_options"] == {"size": "small"}
        assert api.post("/users/ada/server").status_code == 400

        token = api.post("/users/ada/tokens", json={"note": "for a script", "expires_in": 3600}).json()
        assert "access:servers!user=ada" in token["scopes"]
        printed = asyncio.run(run_in_kernel(configured, token["token"], "ada", "print(sum(range(10)))"))
        assert printed == "45\n"

        with configured.client(token["token"]) as own:
            me = own.get("/user").json()
            assert (me["name"], me["kind"], me["token_id"]) == ("ada", "user", token["id"])
            assert own.get("/users").status_code == 403
            assert own.get("/users/admin").status_code == 404
            listed = own.get("/users/ada/tokens").json()["api_tokens"]
            assert token["id"] in {entry["id"] for entry in listed}
            assert all("token" not in entry for entry in listed)
            assert own.delete(f"/users/ada/tokens/{token['id']}").status_code == 204
            assert own.get("/user").status_code == 403

        stopped = api.delete("/users/ada/server")
        assert stopped.status_code in {202, 204}
        eventually(lambda: api.get("/users/ada/server").json()["stopped"], "the server is stopped")
        assert api.delete("/users/ada").status_code == 204
        assert api.get("/users/ada").status_code == 404


def test_another_users_token_does_not_open_a_server(configured: RunningHub) -> None:
    with configured.client(OPS_TOKEN) as api:
        api.post("/users", json={"usernames": ["grace", "mallory"]})
        api.post("/users/grace/server")
        eventually(lambda: api.get("/users/grace/server").json()["ready"], "grace's server is ready")
        mallory = api.post("/users/mallory/tokens").json()["token"]
    contents = f"{configured.url}/user/grace/api/contents"
    stolen = httpx.get(contents, headers={"Authorization": f"token {mallory}"}, trust_env=False)
    assert stolen.status_code == 403
    assert httpx.get(contents, trust_env=False).status_code == 403


def test_what_the_api_says_of_itself(configured: RunningHub) -> None:
    answer = httpx.get(configured.api, trust_env=False)
    assert answer.json() == {"version": "6.1.1"}
    assert answer.headers["x-jupyterhub-version"] == "6.1.1"
    assert answer.headers["x-perijove-version"]
    openapi = httpx.get(f"{configured.api}/openapi.json", trust_env=False).json()
    assert {"/hub/api/users/{user_name}/server", "/hub/api/users/{user_name}/tokens"} <= set(openapi["paths"])
    assert openapi["paths"]["/hub/api/users"]["post"]["security"] == [{"token": ["admin:users"]}]
    page = httpx.get(f"{configured.api}/docs", trust_env=False)
    assert page.headers["content-type"].startswith("text/html")
    assert "/hub/api/users/{user_name}/tokens" in page.text
