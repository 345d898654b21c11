"""The same series of requests to the admin API of our proxy and of upstream's: the same statuses and the same bodies.

Of last_activity the form is compared, and of what a parser says of bad JSON only that it says something.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.hubs import PERIJOVE, eventually, free_ports

TOKEN = {"Authorization": "token secret"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PARSER = re.compile(r"(Body not valid JSON: ).+", re.DOTALL)
TARGET = {"target": "http://127.0.0.1:9"}
DATA = {**TARGET, "user": "ada", "nested": {"a": [1, None, "ü"]}, "jupyterhub": True}

# method, path, body (None for none, a string as it is, else as JSON)
SERIES: list[tuple[str, str, Any]] = [
    ("GET", "/api/routes", None),
    ("GET", "/api/routes/", None),
    ("GET", "/api/routes/user/ada", None),
    ("POST", "/api/routes/user/ada", DATA),
    ("GET", "/api/routes/user/ada", None),
    ("GET", "/api/routes/user/ada/", None),
    ("GET", "/api/routes/user", None),
    ("GET", "/api/routes/user/ada/lab", None),
    ("POST", "/api/routes/user/ada/", {"target": "http://127.0.0.1:10"}),
    ("GET", "/api/routes", None),
    ("POST", "/api/routes", TARGET),
    ("POST", "/api/routes/", {**TARGET, "hub": True}),
    ("GET", "/api/routes", None),
    ("POST", "/api/routes/user/zo%C3%AB", TARGET),
    ("POST", "/api/routes/user/a%40b.c", TARGET),
    ("POST", "/api/routes/user/with%20space", TARGET),
    ("GET", "/api/routes/user/a@b.c", None),
    ("GET", "/api/routes/user/zo%C3%AB", None),
    ("GET", "/api/routes", None),
    ("GET", "/api/routes?inactive_since=2000-01-01T00:00:00.000Z", None),
    ("GET", "/api/routes?inactiveSince=2000-01-01T00:00:00.000Z", None),
    ("GET", "/api/routes?inactive_since=2999-01-01T00:00:00.000Z", None),
    ("GET", "/api/routes?inactiveSince=2999-01-01", None),
    ("GET", "/api/routes?inactive_since=2999-01-01T00:00:00%2B01:00", None),
    ("GET", "/api/routes?inactive_since=yesterday", None),
    ("GET", "/api/routes?inactive_since=<b>%20%C3%BC", None),
    ("GET", "/api/routes?inactive_since=", None),
    ("GET", "/api/routes?inactiveSince=&inactive_since=2999-01-01T00:00:00.000Z", None),
    ("GET", "/api/routes?other=1", None),
    ("POST", "/api/routes/bad", "not json"),
    ("POST", "/api/routes/bad", ""),
    ("POST", "/api/routes/bad", "null"),
    ("POST", "/api/routes/bad", []),
    ("POST", "/api/routes/bad", "7"),
    ("POST", "/api/routes/bad", {}),
    ("POST", "/api/routes/bad", {"target": 7}),
    ("POST", "/api/routes/bad", {"target": None}),
    ("GET", "/api/routes/bad", None),
    ("PUT", "/api/routes/user/ada", TARGET),
    ("PATCH", "/api/routes/user/ada", TARGET),
    ("OPTIONS", "/api/routes/user/ada", None),
    ("GET", "/", None),
    ("GET", "/api", None),
    ("GET", "/api/routesx", None),
    ("POST", "/other", TARGET),
    ("DELETE", "/api/routes/user/ada", None),
    ("DELETE", "/api/routes/user/ada", None),
    ("DELETE", "/api/routes/user/zo%C3%AB/", None),
    ("DELETE", "/api/routes/user/a@b.c", None),
    ("DELETE", "/api/routes/nothing", None),
    ("GET", "/api/routes", None),
    ("DELETE", "/api/routes/", None),
    ("GET", "/api/routes", None),
]


class Proxies:
    """One of each kind, started alike."""

    def __init__(self, commands: list[list[str]], *flags: str) -> None:
        self.addresses: list[str] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        for command in commands:
            port, api_port = free_ports(2)
            listen = ["--ip=127.0.0.1", f"--port={port}", "--api-ip=127.0.0.1", f"--api-port={api_port}"]
            env = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": "secret"}
            self.processes.append(subprocess.Popen([*command, *listen, "--log-level=error", *flags], env=env))
            self.addresses.append(f"http://127.0.0.1:{api_port}")

    def wait(self) -> None:
        """Wait until both answer."""

        def answers(address: str) -> bool:
            try:
                return httpx.get(f"{address}/api/routes", headers=TOKEN, trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        for address in self.addresses:
            eventually(lambda address=address: answers(address), "the proxy answers")  # type: ignore[misc]

    def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> list[tuple[int, Any]]:
        """Ask both; return (status, body) of each, the body read if it is JSON."""
        content = None if body is None else body if isinstance(body, str) else json.dumps(body)
        found = []
        for address in self.addresses:
            response = httpx.request(method, address + path, content=content, headers=headers, trust_env=False)
            read = response.json() if response.status_code == 200 else PARSER.sub(r"\1…", response.text)
            found.append((response.status_code, plain(read)))
        return found

    def close(self) -> None:
        """End both."""
        for process in self.processes:
            process.kill()
            process.wait()


def plain(value: Any) -> Any:
    """Return a body with each time replaced by whether it has the right form."""
    if not isinstance(value, dict):
        return value
    return {
        key: bool(TIME.fullmatch(inner)) if key == "last_activity" else plain(inner) for key, inner in value.items()
    }


@pytest.fixture(scope="module", params=["paths", "hosts"])
def proxies(request: pytest.FixtureRequest, node_proxy: Path) -> Iterator[Proxies]:
    flags = ["--host-routing"] if request.param == "hosts" else []
    both = Proxies([[str(PERIJOVE), "proxy"], [str(node_proxy)]], *flags)
    try:
        both.wait()
        yield both
    finally:
        both.close()


def test_the_same_answers(proxies: Proxies) -> None:
    different = []
    for step in SERIES:
        ours, theirs = proxies.ask(*step, headers=TOKEN)
        if ours != theirs:
            different.append((step, ours, theirs))
    assert different == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "token wrong"},
        {"Authorization": "token"},
        {"Authorization": "secret"},
        {"Authorization": "Basic c2VjcmV0"},
        {"Authorization": "token  secret"},
    ],
)
def test_the_same_is_allowed(proxies: Proxies, headers: dict[str, str]) -> None:
    asked = (
        ("GET", "/api/routes"),
        ("POST", "/api/routes/x"),
        ("DELETE", "/api/routes/x"),
        ("PUT", "/api/routes/x"),
        ("GET", "/api"),
    )
    for method, path in asked:
        ours, theirs = proxies.ask(method, path, TARGET if method == "POST" else None, headers)
        assert ours == theirs, (method, path)
