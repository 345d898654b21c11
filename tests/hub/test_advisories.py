"""Every published advisory of the peers is the name of a test, or is about what is not here; tests that need a hub."""

from __future__ import annotations

import ast
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from perijove.hub.testing.running import RunningHub, running_hub
from perijove.wire.prefixes import escape_name

TESTED = {
    "cve_2019_10255": "a redirect leads to another site",
    "cve_2020_15110": "two names share a server",
    "ghsa_384w": "an old name of an allow-list is read over",
    "ghsa_cg54": "other users of the machine read a server's token",
    "ghsa_cw7p": "signing out leaves other tabs signed in",
    "ghsa_5xvc": "another spelling of a name takes its account over",
    "cve_2024_28179": "a WebSocket is let in without being asked who it is",
    "cve_2024_28233": "a neighbour's page sets the hub's cookies",
    "cve_2024_41942": "whoever may change users makes themself an administrator",
    "cve_2026_33709": "a redirect leads to another site once more",
    "cve_2026_40864": "a request without CORS counts as one of our own pages",
    "cve_2026_40934": "a sign-in outlives the password",
    "cve_2026_54338": "a very long name fills the log",
    "ghsa_c4gm": "users share more than they may do",
    "ghsa_69wv": "a scope for one group reaches everybody",
    "ghsa_mj6q": "a share outlives the name that it was given to",
    "ghsa_hx46": "options that make no sense stop the hub",
    "ghsa_5jhc": "a server keeps privileges that it should have given up",
    "ghsa_93gc": "a name leaves its place in an address",
    "ghsa_r764": "another spelling of a name is another user",
    "ghsa_pvm9": "a token lives longer than the operator allows",
    "ghsa_x7xh": "a name brings a script into a page",
}
"""What our tests show not to happen, by the beginning of the advisory's id."""

NOT_HERE = {
    "cve_2018_7206": "GitLab",
    "cve_2022_31027": "CILogon",
    "ghsa_55m3": "Google",
    "ghsa_gprj": "Globus",
    "cve_2026_33175": "Auth0",
    "cve_2026_34052": "LTI",
    "cve_2023_48311": "Docker",
}
"""The other advisories, and the plug-in that each is about: none of ours."""

HOSTILE_NAMES = [
    "<script>alert(1)<script>",
    "<img src=x onerror=alert(1)>",
    '"onmouseover=alert(1) x="',
    "'-alert(1)-'",
    "{{7*7}}",
    "javascript:alert(1)",
    "%3cscript%3ealert(1)",
    "&lt;script&gt;",
]


def test_each_advisory_is_the_name_of_a_test(checkout: Path) -> None:
    names = [
        node.name
        for path in (checkout / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]
    assert [advisory for advisory in TESTED if not any(advisory in name for name in names)] == []


@pytest.mark.parametrize("group", ["perijove.authenticators", "perijove.spawners"])
def test_what_the_other_advisories_are_about_is_not_here(group: str) -> None:
    """Whoever adds one of these plug-ins moves its advisory to those that are tested."""
    ours = " ".join(point.value for point in entry_points(group=group))
    assert ours
    assert [advisory for advisory, plugin in NOT_HERE.items() if plugin in ours] == []


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_ghsa_x7xh_a_name_is_text_in_every_page(name: str) -> None:
    async with running_hub(slow_start=0.0) as hub:
        await hub.add_user(name)
        await hub.add_user("root", admin=True)
        root, own = await hub.browser("root"), await hub.browser(name)
        pages = [
            (own, "/hub/home"),
            (own, "/hub/spawn"),
            (root, "/hub/admin"),
            (root, f"/hub/user/{escape_name(name)}/"),
        ]
        for browser, path in pages:
            page = await browser.get(path, follow_redirects=True)
            assert page.status_code in (200, 404, 424), path
            for raw in ("<script>alert", "<img src=x", '"onmouseover', "'-alert(1)-'", 'href="javascript:', ">49<"):
                assert raw not in page.text, path
            assert "script-src 'self';" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "options",
    [
        {"cpu": {"a": [1, {"b": None}]}},
        {"x" * 1000: "y" * 100_000},
        {"cmd": ["/bin/sh"], "environment": "no", "mem_limit": -1, "port": "eighty", "user": None, "hub": {}},
        {"": "", "\u0000": "\u0000", "__class__": "x", "__init__": {}},
        {"n": 10**400},
    ],
)
async def test_ghsa_hx46_options_that_make_no_sense_do_no_harm(options: dict[str, Any]) -> None:
    async with running_hub(slow_start=0.0) as hub:
        client = hub.client(await hub.token("ada"))
        started = await client.post("/hub/api/users/ada/server", json=options)
        assert started.status_code < 500
        await _still_works(hub)


@pytest.mark.parametrize("body", ["[]", "3", '"text"', "null", "true", '{"user_options": []}', '{"user_options": 3}'])
async def test_ghsa_hx46_options_of_another_kind_do_no_harm(body: str) -> None:
    async with running_hub(slow_start=0.0) as hub:
        client = hub.client(await hub.token("ada"))
        assert (await client.post("/hub/api/users/ada/server", content=body)).status_code < 500
        await _still_works(hub)


async def _still_works(hub: RunningHub) -> None:
    """Pages and lists that show what was stored still come."""
    root = hub.client(await hub.token("root", admin=True))
    for path in ("/hub/api/users?include_stopped_servers=1", "/hub/api/users/ada", "/hub/api/proxy"):
        assert (await root.get(path)).status_code == 200
    home = await (await hub.browser("ada")).get("/hub/home")
    assert home.status_code == 200
    assert (await hub.client(await hub.token("bob")).post("/hub/api/users/bob/server")).status_code in (201, 202)
