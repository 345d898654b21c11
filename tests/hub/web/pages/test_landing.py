from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perijove.hub.ports.visits import HookHandler, HookRequest, HookUser
from perijove.hub.settings.landing import Landing
from perijove.hub.testing.running import RunningHub, running_hub


async def asked(hub: RunningHub, path: str) -> str:
    answer = await (await hub.browser("ada")).get(path)
    assert answer.status_code == 302
    return str(answer.headers["Location"])


async def test_people_are_led_to_the_operators_page() -> None:
    async with running_hub(landing=Landing(page="/hub/token")) as hub:
        assert await asked(hub, "/hub/") == "/hub/token"


async def test_a_function_chooses_the_page_for_each_visitor() -> None:
    seen: list[HookHandler] = []

    def choose(handler: HookHandler) -> str:
        seen.append(handler)
        return f"/services/welcome/{handler.current_user.name}"

    async with running_hub(landing=Landing(page=choose)) as hub:
        assert await asked(hub, "/hub/?course=1") == "/services/welcome/ada"
    (handler,) = seen
    assert handler.current_user == HookUser("ada", admin=False, url="/user/ada/")
    assert handler.request.uri == "/hub/?course=1"
    assert {"cookie", "authorization"} & set(handler.request.headers) == set()


def fails(_handler: HookHandler) -> str:
    raise RuntimeError("no idea")


@pytest.mark.parametrize(
    "page",
    [
        "/hub/",
        "/hub",
        "https://elsewhere.test/",
        "//elsewhere.test",
        fails,
        lambda _handler: None,
        lambda _handler: 3,
        lambda _handler: "https://elsewhere.test/",
    ],
)
async def test_the_usual_page_comes_where_the_operators_cannot(page: str | Callable[..., Any]) -> None:
    async with running_hub(landing=Landing(page=page)) as hub:
        assert await asked(hub, "/hub/") == "/hub/home"


async def test_a_named_server_stands_behind_user_redirect() -> None:
    async with running_hub(landing=Landing(server_name="lab")) as hub:
        target = "%2Fuser%2Fada%2Flab%2Ftree%2Fx%3Fa%3D1"
        assert await asked(hub, "/hub/user-redirect/tree/x?a=1") == f"/hub/spawn/ada/lab?next={target}"


async def test_a_function_chooses_where_user_redirect_leads() -> None:
    seen: list[tuple[Any, ...]] = []

    async def choose(path: str, request: HookRequest, user: HookUser, base_url: str) -> str | None:
        seen.append((path, request.uri, user.name, base_url))
        return "/hub/spawn/ada/gpu" if path.startswith("gpu/") else None

    async with running_hub(landing=Landing(redirect=choose)) as hub:
        assert await asked(hub, "/hub/user-redirect/gpu/x?a=1") == "/hub/spawn/ada/gpu"
        assert (await asked(hub, "/hub/user-redirect/lab")).startswith("/hub/spawn/ada?next=")
    assert seen == [
        ("gpu/x", "/hub/user-redirect/gpu/x?a=1", "ada", "/"),
        ("lab", "/hub/user-redirect/lab", "ada", "/"),
    ]


async def test_user_redirect_never_leads_elsewhere() -> None:
    async with running_hub(landing=Landing(redirect=lambda path, *_given: f"https://{path}")) as hub:
        assert (await asked(hub, "/hub/user-redirect/evil.test/")).startswith("/hub/spawn/ada?next=")
