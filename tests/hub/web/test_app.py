from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from packaging.version import Version

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.site import Site
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.testing.running import ORIGIN, RunningHub, running_hub
from perijove.hub.web import app as web_app
from perijove.hub.web.callers import hub_of

ALWAYS = {
    "X-JupyterHub-Version": "6.1.1",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}

# What is asked for, below the hub's prefix, and the status of the answer.
EVERY_KIND = [
    ("GET", "api", 200),
    ("GET", "api/user", 403),
    ("GET", "api/nothing", 404),
    ("PUT", "api/user", 405),
    ("OPTIONS", "api/user", 200),
    ("GET", "home", 302),
    ("GET", "login", 200),
    ("GET", "nothing", 404),
    ("GET", "static/css/perijove.css", 200),
    ("GET", "static/nothing", 404),
    ("GET", "logo", 200),
    ("GET", "health", 200),
    ("GET", "metrics", 403),
    ("GET", "api/break", 500),
    ("GET", "break", 500),
    ("GET", "error/503", 200),
    ("POST", "login", 403),
    ("GET", "user/ada/api", 424),
]


@pytest.fixture
def breaking(hub: RunningHub) -> RunningHub:
    """A hub with two addresses that break."""

    async def breaks() -> None:
        raise RuntimeError("the password is s3cret")

    for where in (f"{hub.api}/break", f"{hub.prefix}break"):
        hub.app.add_api_route(where, breaks)
    return hub


@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND)
async def test_every_answer_has_the_headers_that_protect_it(
    breaking: RunningHub, method: str, path: str, status: int
) -> None:
    answer = await breaking.client().request(method, breaking.prefix + path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert answer.headers["X-Perijove-Version"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert len(answer.headers["X-Request-ID"]) == 32
    assert answer.headers["Cache-Control"]


async def test_t2_the_version_on_every_answer_is_one_that_clients_can_parse(hub: RunningHub) -> None:
    for path in (hub.api, f"{hub.prefix}login", "/elsewhere", f"{hub.prefix}static/favicon.ico"):
        Version((await hub.client().get(path)).headers["X-JupyterHub-Version"])


@pytest.mark.parametrize("path", ["api", "api/user", "api/nothing"])
async def test_the_api_allows_the_headers_that_clients_send(hub: RunningHub, path: str) -> None:
    answer = await hub.client().get(hub.prefix + path)
    assert answer.headers["Access-Control-Allow-Headers"] == "accept, content-type, authorization"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_pages_allow_scripts_and_styles_of_the_hub_only(hub: RunningHub) -> None:
    policy = (await hub.client().get(f"{hub.prefix}login")).headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("from-the-proxy.1", True),
        ("short", False),
        ("x" * 129, False),
        ("with blank in it", False),
        ('"><script>', False),
    ],
)
async def test_a_request_id_of_the_proxy_is_kept_if_it_is_one(hub: RunningHub, given: str, kept: bool) -> None:
    answer = await hub.client(**{"X-Request-ID": given}).get(hub.api)
    assert (answer.headers["X-Request-ID"] == given) is kept


@pytest.mark.parametrize(
    ("query", "cached"),
    [("?v=abc", "public, max-age=31536000, immutable"), ("", "no-cache"), ("?w=1", "no-cache")],
)
async def test_static_files_are_cached_for_ever_under_an_address_that_changes_with_them(
    hub: RunningHub, query: str, cached: str
) -> None:
    answer = await hub.client().get(f"{hub.prefix}static/css/perijove.css{query}")
    assert answer.headers["Cache-Control"] == cached
    again = await hub.client(**{"If-None-Match": answer.headers["ETag"]}).get(
        f"{hub.prefix}static/css/perijove.css{query}"
    )
    assert (again.status_code, again.headers["Cache-Control"]) == (304, cached)
    missing = await hub.client().get(f"{hub.prefix}static/css/nothing.css{query}")
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")


@pytest.mark.parametrize("path", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "css/../../app.py", "//etc/passwd"])
async def test_static_files_end_at_their_folder(hub: RunningHub, path: str) -> None:
    request = hub.client().build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=f"{hub.prefix}static/{path}".encode())
    answer = await hub.client().send(request)
    assert answer.status_code in {302, 404}
    assert "create_app" not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_an_unknown_address_of_the_api_is_json_404(hub: RunningHub, method: str) -> None:
    answer = await hub.client().request(method, f"{hub.api}/nothing/here")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    if method != "HEAD":
        assert answer.json() == {"status": 404, "message": "There is no page at this address."}


async def test_an_unknown_page_is_html_404(hub: RunningHub) -> None:
    answer = await hub.client().get(f"{hub.prefix}nothing")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    beside_the_api = await hub.client().get(f"{hub.prefix}apiary")
    assert beside_the_api.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "api/user", "GET"),
        ("GET", "api/oauth2/token", "POST"),
        ("HEAD", "api/oauth2/token", "POST"),
        ("POST", "api/docs", "GET"),
        ("DELETE", "login", "GET"),
    ],
)
async def test_a_wrong_method_is_405_and_the_answer_names_a_right_one(
    hub: RunningHub, method: str, path: str, allowed: str
) -> None:
    answer = await hub.client().request(method, hub.prefix + path)
    assert answer.status_code == 405
    assert allowed in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["api", "api/user", "api/users/ada/server", "api/nothing", "api/oauth2/token"])
async def test_options_of_the_api_are_empty_200(hub: RunningHub, path: str) -> None:
    answer = await hub.client().options(hub.prefix + path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path", ["api", "api/user", "login", "health", "api/health", "static/css/perijove.css", "logo"]
)
async def test_head_is_answered_like_get_without_a_body(hub: RunningHub, path: str) -> None:
    client = hub.client(await hub.token("ada"))
    got, head = await client.get(hub.prefix + path), await client.head(hub.prefix + path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type" if path not in {"health", "api/health"} else "X-JupyterHub-Version"]
    if path != "login":
        assert head.headers.get("Content-Length") == got.headers.get("Content-Length")


async def test_head_of_an_endless_stream_ends(hub: RunningHub) -> None:
    hub.world.hang_start = True
    client = hub.client(await hub.token("ada"))
    assert (await client.post(f"{hub.api}/users/ada/server")).status_code == 202
    async with asyncio.timeout(10):
        answer = await client.head(f"{hub.api}/users/ada/server/progress")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("{prefix_bare}", "{prefix}"),
        ("{base}", "{prefix}"),
        ("{base}lab?x=%2F", "{prefix}lab?x=%2F"),
        ("{base}user/a%2520b/x%2Fy/z%3Fq?u=%2Fx&e=", "{prefix}user/a%2520b/x%2Fy/z%3Fq?u=%2Fx&e="),
        ("{base}user/j%C3%BCrgen/lab", "{prefix}user/j%C3%BCrgen/lab"),
        ("{base}services/x/", "{prefix}services/x/"),
        ("{base}/evil.example/", "{prefix}evil.example/"),
    ],
)
async def test_what_is_outside_the_hub_is_led_there_with_path_and_query_as_they_came(
    hub: RunningHub, path: str, target: str
) -> None:
    base = hub.state.settings.base_url
    words = {"base": base, "prefix": hub.prefix, "prefix_bare": hub.prefix[:-1]}
    answer = await hub.client().get(f"http://hub.test{path.format(**words)}")
    assert (answer.status_code, answer.headers["Location"]) == (302, target.format(**words))


async def test_outside_the_installation_everything_leads_to_the_hub(hub: RunningHub) -> None:
    if hub.state.settings.base_url != "/":
        answer = await hub.client().get("/user/ada/lab")
        assert answer.headers["Location"] == hub.prefix


async def test_the_address_of_a_server_or_service_gets_its_slash(hub: RunningHub) -> None:
    base = hub.state.settings.base_url
    for path in ("user/a%20b", "services/wiki"):
        answer = await hub.client().get(f"{base}{path}?x=1")
        assert (answer.status_code, answer.headers["Location"]) == (301, f"{base}{path}/?x=1")


async def test_a_service_with_a_host_of_its_own_is_found_from_the_hubs_and_never_in_circles() -> None:
    site = Site("/", ORIGIN, lambda name, domain, kind: f"{name}--{kind}.{domain}")
    async with running_hub(site=site, services=[ServiceSpec("wiki", url="http://127.0.0.1:1")]) as hub:
        answer = await hub.client().get("/services/wiki/page%20one?x=1")
        assert answer.status_code == 302
        assert answer.headers["Location"] == "http://wiki--service.hub.test/services/wiki/page%20one?x=1"
        lost = await hub.client(Host="wiki--service.hub.test").get("/services/wiki/page%20one?x=1")
        assert lost.status_code == 503
        unknown = await hub.client().get("/services/none/")
        assert unknown.headers["Location"] == "/hub/services/none/"


async def test_what_is_sent_to_a_server_outside_the_hub_is_answered_at_once(hub: RunningHub) -> None:
    answer = await hub.client().post(f"{hub.state.settings.base_url}user/ada/api/kernels", json={})
    assert answer.status_code == 424


async def test_an_unexpected_error_has_an_id_that_is_in_the_log_and_tells_nothing_else(breaking: RunningHub) -> None:
    for path, kind in (("api/break", "application/json"), ("break", "text/html; charset=utf-8")):
        with structlog.testing.capture_logs() as logs:
            answer = await breaking.client().get(breaking.prefix + path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (500, kind)
        (entry,) = [entry for entry in logs if entry["event"] == "request broke"]
        assert entry["error_id"] in answer.text
        assert isinstance(entry["exc_info"], RuntimeError)
        assert "s3cret" not in answer.text
        assert "Traceback" not in answer.text


async def test_an_error_after_the_answer_began_breaks_the_connection_off(hub: RunningHub) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "one"
        raise RuntimeError("in the middle")

    async def half() -> Any:
        from fastapi.responses import StreamingResponse

        return StreamingResponse(pieces())

    hub.app.add_api_route(f"{hub.api}/half", half)
    with pytest.raises(RuntimeError, match="in the middle"):
        await hub.client().get(f"{hub.api}/half")


async def test_a_body_announced_too_long_is_refused_unread(hub: RunningHub) -> None:
    asked = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        asked += 1
        yield b"x"

    headers = {"Content-Length": str(web_app.MAX_BODY + 1)}
    answer = await hub.client(await hub.token("ada")).post(f"{hub.api}/users", content=body(), headers=headers)
    assert answer.status_code == 413
    assert answer.json()["status"] == 413
    assert answer.headers["Connection"] == "close"
    assert asked == 0


@pytest.mark.parametrize("path", ["api/users", "api/oauth2/token"])
async def test_a_body_that_grows_too_long_is_refused(hub: RunningHub, path: str) -> None:
    piece = b"x" * 1024 * 1024
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += len(piece)
            yield piece

    client = hub.client(await hub.token("ada", admin=True))
    async with asyncio.timeout(10):
        answer = await client.post(
            hub.prefix + path,
            content=endless(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    assert answer.headers["X-JupyterHub-Version"]
    assert sent <= web_app.MAX_BODY + 2 * len(piece)


@pytest.mark.parametrize("path", ["api/users", "api/users/ada/activity"])
async def test_who_goes_away_before_all_is_said_is_no_error_of_the_hubs(
    hub: RunningHub, exchange: type[Any], path: str
) -> None:
    token = await hub.token("ada", admin=True)
    asked = exchange(hub, hub.prefix + path, method="POST", headers={"Authorization": f"token {token}"})

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    asked._receive = gone
    with structlog.testing.capture_logs() as logs:
        await asked()
    assert not asked.answered.is_set()
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_a_database_that_is_away_is_503_with_retry_after_on_api_and_pages(hub: RunningHub) -> None:
    token, browser = await hub.token("ada"), await hub.browser("ada")
    hub.store.away = True
    api = hub.client(token)
    asked = [
        (api, f"{hub.api}/user"),
        (api, f"{hub.api}/users/ada"),
        (api, f"{hub.api}/health"),
        (api, f"{hub.prefix}user/ada/lab"),
        (api, f"{hub.prefix}user/ada/api"),
        (browser, f"{hub.prefix}health"),
        (browser, f"{hub.prefix}home"),
        (browser, f"{hub.prefix}login"),
        (browser, f"{hub.prefix}user/ada/lab"),
        (browser, f"{hub.api}/oauth2/authorize?client_id=x"),
    ]
    for client, path in asked:
        with structlog.testing.capture_logs() as logs:
            answer = await client.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["Retry-After"] == "5"
        (entry,) = [entry for entry in logs if entry["event"] == "request failed"]
        assert entry["error_id"] in answer.text
    answer = await hub.client().post(f"{hub.api}/oauth2/token", data={"client_id": "x"})
    assert answer.status_code == 503


async def test_nothing_of_an_answer_depends_on_what_the_path_holds(hub: RunningHub) -> None:
    with structlog.testing.capture_logs() as logs:
        await hub.client().get(f"{hub.prefix}%0a%0dforged%1b[31m" + "x" * 500)
    (entry,) = [entry for entry in logs if entry["event"] == "request"]
    assert "\n" not in entry["path"]
    assert "\x1b" not in entry["path"]
    assert len(entry["path"]) <= 200


@pytest.mark.parametrize("query", [b"next=%ff%fe", b"\xff\xfe", b"next=%00"])
async def test_a_query_in_no_encoding_breaks_nothing(hub: RunningHub, exchange: Any, query: bytes) -> None:
    for path in ("home", "nothing", "user/ada/lab", "login", "api/users", "../outside"):
        answer = await exchange(hub, f"{hub.prefix}{path}", query=query)()
        assert 200 <= answer.status < 500


async def test_requests_are_measured_by_handler_and_made_up_methods_count_as_one(hub: RunningHub) -> None:
    await hub.client().get(hub.api)
    await hub.client().request("BREW", hub.api)
    await hub.client().get(f"{hub.prefix}nothing")
    await hub.client().get(f"{hub.prefix}static/css/perijove.css")
    text = hub.state.metrics.render().decode()
    assert 'handler="get_version"' in text
    assert 'handler="none"' in text
    assert 'handler="static"' in text
    assert "BREW" not in text


async def test_what_is_no_http_request_goes_to_the_application(hub: RunningHub) -> None:
    asked: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["type"])

    await web_app._Envelope(inner, hub.state)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert asked == ["lifespan"]


async def test_a_request_id_stands_in_every_line_of_the_log_that_belongs_to_it(hub: RunningHub) -> None:
    seen: list[Any] = []

    async def look() -> dict[str, str]:
        seen.append(structlog.contextvars.get_contextvars().get("request_id"))
        return {}

    hub.app.add_api_route(f"{hub.api}/look", look)
    answers: list[httpx.Response] = await asyncio.gather(*(hub.client().get(f"{hub.api}/look") for _ in range(5)))
    assert sorted(seen) == sorted(answer.headers["X-Request-ID"] for answer in answers)
    assert len(set(seen)) == 5


def resolved(schema: dict[str, Any], node: Any) -> None:
    """Check that every reference below *node* leads somewhere."""
    if isinstance(node, dict):
        if "$ref" in node:
            target: Any = schema
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
        for value in node.values():
            resolved(schema, value)
    elif isinstance(node, list):
        for value in node:
            resolved(schema, value)


OPEN = {("get", ""), ("get", "/health"), ("get", "/metrics"), ("get", "/oauth2/authorize"), ("post", "/oauth2/token")}


async def test_openapi_tells_of_every_operation_its_id_group_scopes_and_errors(hub: RunningHub) -> None:
    schema = (await hub.client().get(f"{hub.api}/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    resolved(schema, schema)
    operations = [
        (method, path.removeprefix(hub.api), operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    assert all(path.startswith(hub.api) for path in schema["paths"])
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))
    for method, path, operation in operations:
        where = f"{method} {path}"
        assert operation["tags"], where
        assert operation["summary"], where
        assert operation["responses"], where
        assert all(response["description"] for response in operation["responses"].values()), where
        assert "422" not in operation["responses"], where
        if (method, path) not in OPEN:
            (security,) = operation["security"]
            assert security["token"] or path == "/user", where
            assert {"400", "403", "404", "503"} <= operation["responses"].keys(), where
        if method == "post" and path not in {"/proxy"}:
            assert operation["requestBody"]["content"], where
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert named == {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}, where


async def test_no_handler_or_dependency_costs_a_thread(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a thread for a request")

    for module in ("fastapi.dependencies.utils", "fastapi.routing"):
        monkeypatch.setattr(f"{module}.run_in_threadpool", forbidden)
    token, browser = await hub.token("ada", admin=True), await hub.browser("ada")
    for path in ("api", "api/user", "api/users", "api/users/ada", "api/users/ada/tokens", "api/users/ada/server"):
        assert (await hub.client(token).get(hub.prefix + path)).status_code == 200
    for path in ("login", "home", "admin", "health", "api/docs"):
        assert (await browser.get(hub.prefix + path)).status_code < 400


async def test_openapi_names_only_scopes_that_there_are(hub: RunningHub) -> None:
    from perijove.hub.core.scopes import CATALOGUE

    schema = (await hub.client().get(f"{hub.api}/openapi.json")).json()
    named = {
        scope
        for methods in schema["paths"].values()
        for operation in methods.values()
        for security in operation.get("security", [])
        for scope in security["token"]
    }
    assert named <= CATALOGUE.keys()


async def test_the_error_page_that_breaks_leaves_a_plain_answer(
    breaking: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise PerijoveError(Code.UNAVAILABLE, "no templates")

    monkeypatch.setattr("perijove.hub.web.errors.render", fail)
    with structlog.testing.capture_logs() as logs:
        answer = await breaking.client().get(f"{breaking.prefix}break")
    assert answer.status_code == 500
    (entry,) = [entry for entry in logs if entry["event"] == "request broke"]
    assert answer.text == f"Something went wrong in the hub. (error id {entry['error_id']})"


async def test_the_state_reaches_the_handlers(hub: RunningHub) -> None:
    from fastapi import Request

    request = Request({"type": "http", "app": hub.app, "headers": []})
    assert hub_of(request) is hub.state
