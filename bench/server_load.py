"""What is asked of hubs that start servers, and what comes of it."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hub_programs import Hub
from processes import CannotMeasure
from websockets.sync.client import connect

PATIENCE = 900.0
LOOK = 0.005
USED = ("lab", "api/contents", "api/kernelspecs", "lab/api/settings", "api/status")
"""What a browser with JupyterLab asks a server for first."""


def create_users(hub: Hub, names: Sequence[str]) -> None:
    hub.ask("POST", "/hub/api/users", {"usernames": list(names)})


class Start:
    """A server that was asked for; the request is out when this has been made."""

    def __init__(self, hub: Hub, user: str) -> None:
        self._hub, self._user = hub, user
        self._headers = {"Authorization": f"token {hub.token}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE)
        self.begin = time.perf_counter()
        self._connection.request("POST", f"/hub/api/users/{user}/server", headers=self._headers)
        self.seconds: float | None = None
        """From the request until the server answered through the proxy; None if it was lost."""

    def wait(self) -> None:
        """Return when the server is ready or lost."""
        answer = self._connection.getresponse()
        answer.read()
        if answer.status == 201 or (answer.status == 202 and self._followed()):
            await_server(self._hub, self._user)
            self.seconds = time.perf_counter() - self.begin
        self._connection.close()

    def _followed(self) -> bool:
        """Follow the progress of the start; whether it ended well."""
        path = f"/hub/api/users/{self._user}/server/progress"
        self._connection.request("GET", path, headers={**self._headers, "Accept": "text/event-stream"})
        answer = self._connection.getresponse()
        if answer.status != 200:
            answer.read()
            return False
        for line in answer:
            if line.startswith(b"data:"):
                event: dict[str, Any] = json.loads(line[5:])
                if event.get("ready") or event.get("failed"):
                    return bool(event.get("ready"))
        return False


def await_server(hub: Hub, user: str, seconds: float = 30.0) -> None:
    """Wait until *user*'s server answers through the proxy. Raises CannotMeasure if it never does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status, _ = fetch(hub.public, f"/user/{user}/api", "")
        if status == 200:
            return
        time.sleep(LOOK)
    raise CannotMeasure(f"{hub.name}: the server of {user} was said to be ready, and does not answer")


def fetch(port: int, path: str, token: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers={"Authorization": f"token {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def start(hub: Hub, user: str) -> float:
    """Start a server; seconds until it answers. Raises CannotMeasure if it does not."""
    asked = Start(hub, user)
    asked.wait()
    if asked.seconds is None:
        raise CannotMeasure(f"{hub.name}: the server of {user} did not start")
    return asked.seconds


def start_together(hub: Hub, users: Sequence[str]) -> list[float | None]:
    """Ask for all servers, one right after the other; seconds from the first request until each answers, if it does."""
    asked = [Start(hub, user) for user in users]
    threads = [threading.Thread(target=each.wait) for each in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = asked[0].begin
    return [None if each.seconds is None else each.begin - first + each.seconds for each in asked]


def stop(hub: Hub, users: Sequence[str]) -> None:
    """Stop servers, and wait until they are gone. Raises CannotMeasure if they stay."""
    for user in users:
        fetch(hub.port, f"/hub/api/users/{user}/server", hub.token, "DELETE")
    until = time.monotonic() + PATIENCE
    for user in users:
        while json.loads(hub.ask("GET", f"/hub/api/users/{user}"))["servers"]:
            if time.monotonic() > until:
                raise CannotMeasure(f"{hub.name}: the server of {user} does not stop")
            time.sleep(0.05)


def use(hub: Hub, user: str) -> None:
    """Ask a server for what a browser asks for first."""
    for path in USED:
        status, _ = fetch(hub.public, f"/user/{user}/{path}", hub.token)
        if status != 200:
            raise CannotMeasure(f"{hub.name}: /user/{user}/{path} was answered with {status}")


def new_kernel(port: int, prefix: str, token: str) -> float:
    """Seconds from the request for a kernel to its first answer to an execution; the kernel is deleted again."""
    begin = time.perf_counter()
    status, body = fetch(port, f"{prefix}api/kernels", token, "POST")
    if status != 201:
        raise CannotMeasure(f"a kernel was refused with {status}: {body[:200]!r}")
    kernel = json.loads(body)["id"]
    with channels(port, f"{prefix}api/kernels/{kernel}/channels", token) as socket:
        request = uuid.uuid4().hex
        socket.send(json.dumps(_execution(request)))
        answer: dict[str, Any] = {}
        while not (answer.get("msg_type") == "execute_reply" and answer["parent_header"].get("msg_id") == request):
            answer = json.loads(socket.recv(timeout=60))
        seconds = time.perf_counter() - begin
    if answer["content"]["status"] != "ok":
        raise CannotMeasure(f"a kernel answered {answer['content']!r:.200}")
    fetch(port, f"{prefix}api/kernels/{kernel}", token, "DELETE")
    return seconds


@contextmanager
def channels(port: int, path: str, token: str) -> Iterator[Any]:
    """A WebSocket to a kernel."""
    headers = {"Authorization": f"token {token}"}
    with connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers, proxy=None) as socket:
        yield socket


def _execution(number: str) -> dict[str, Any]:
    """A request to a kernel (Jupyter's messaging protocol, version 5.3)."""
    return {
        "header": {"msg_id": number, "msg_type": "execute_request", "username": "bench", "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": {"code": "1 + 1", "silent": False},
    }
