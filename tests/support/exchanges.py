"""The same few hundred requests for two hubs, and what of their answers is compared.

An exchange is a line of a scenario: who asks, method, path and body. The scenario runs top to bottom, so that later
lines meet what earlier ones left. `{...}` in a path is filled with a value that an earlier answer gave.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.support.hubs import eventually

PAGES = "application/jupyterhub-pagination+json"
ISO_LENGTH = len("2026-01-01T00:00:00")


@dataclass(frozen=True)
class Exchange:
    """One request.

    Attributes:
        caller: whose token goes with it; empty for none.
        method: the method.
        path: below the API's root.
        body: the JSON body, if not None.
        raw: a body that is no JSON, instead.
        headers: further headers.
        keep: names under which values of the answer are remembered, by key.
        until: the exchange is repeated until the answer has this status, as a client that polls would do.
    """

    caller: str
    method: str
    path: str
    body: Any = None
    raw: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    until: int = 0

    def __str__(self) -> str:
        body = self.raw or ("" if self.body is None else json.dumps(self.body))
        extra = " [pages]" if self.headers else ""
        return f"{self.caller or 'nobody'}: {self.method} {self.path}{extra} {body}".rstrip()


@dataclass(frozen=True)
class Answer:
    """What is compared: the status, the kind of content and the shape of the JSON in it."""

    status: int
    kind: str
    shape: Any

    @classmethod
    def of(cls, response: httpx.Response) -> Answer:
        """Return what is compared of *response*."""
        kind = response.headers.get("content-type", "").partition(";")[0].replace("jupyterhub-pagination+json", "json")
        if not response.content:
            return cls(response.status_code, "", None)
        if "json" not in kind:
            return cls(response.status_code, kind, None)
        return cls(response.status_code, kind, shape(response.json()))


def shape(value: Any) -> Any:
    """Return *value* with every leaf replaced by its type; of a list, the different shapes in it."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        different = {json.dumps(shape(inner), sort_keys=True) for inner in value}
        return [json.loads(text) for text in sorted(different)]
    if isinstance(value, str) and len(value) > ISO_LENGTH and value[10:11] == "T" and value.endswith("Z"):
        return "time"
    return type(value).__name__


def run(
    exchanges: list[Exchange], client: httpx.Client, tokens: Mapping[str, str]
) -> Iterator[tuple[Exchange, Answer]]:
    """Send the requests one after the other and yield each with its answer."""
    kept: dict[str, str] = {}
    for exchange in exchanges:
        response = send(exchange, client, tokens, kept)
        for name, key in exchange.keep.items():
            kept[name] = str(response.json()[key])
        yield exchange, Answer.of(response)


def send(
    exchange: Exchange, client: httpx.Client, tokens: Mapping[str, str], kept: Mapping[str, str]
) -> httpx.Response:
    """Send one request; until it has the status that is waited for, if there is one."""
    headers = dict(exchange.headers)
    if exchange.caller:
        headers["Authorization"] = f"token {tokens.get(exchange.caller) or kept[exchange.caller]}"
    content = exchange.raw or (None if exchange.body is None else json.dumps(exchange.body))
    path = exchange.path.format(**kept)

    def ask() -> httpx.Response | None:
        response = client.request(exchange.method, path, headers=headers, content=content)
        return response if exchange.until in (0, response.status_code) else None

    response = eventually(ask, f"the answer {exchange.until} to {exchange}")
    assert response is not None
    return response
