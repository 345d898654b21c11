"""An upstream hub and ours, started on the same configuration, give the same answers to the same requests.

Compared are status, kind of content and shape of the JSON; where they differ on purpose, `DIFFERENCES` says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.exchanges import Answer, Exchange, run
from tests.support.hubs import RunningHub
from tests.support.scenario import CONFIG, SERVER, TOKENS, scenario

UPSTREAMS = """
c.ConfigurableHTTPProxy.command = [{proxy!r}]
"""


def answers(hub: RunningHub) -> list[tuple[Exchange, Answer]]:
    """Play the scenario with *hub*, by its own port: what the proxy adds is compared elsewhere."""
    (hub.folder / "server.py").write_text(SERVER)
    hub.start()
    address = f"http://127.0.0.1:{hub.hub_port}/hub/api"
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        return list(run(scenario(), client, TOKENS))


@pytest.fixture(scope="module")
def both(
    make_hub: Callable[..., RunningHub], upstream: Path, node_proxy: Path
) -> list[tuple[Exchange, Answer, Answer]]:
    """Every exchange with upstream's answer and ours."""
    theirs = make_hub(config=CONFIG + UPSTREAMS.format(proxy=str(node_proxy)), command=[str(upstream / "jupyterhub")])
    theirs.ready_line = "JupyterHub is now running at"
    ours = make_hub(config=CONFIG)
    pairs = zip(answers(theirs), answers(ours), strict=True)
    return [(exchange, expected, found) for (exchange, expected), (_, found) in pairs]


DIFFERENCES = {
    'root: POST /users {"usernames": "carol"}': "upstream takes letters for names",
    "root: GET /users/ada/servers/lab/progress": "upstream forgot it, 404; here it is stopped, 400",
    'root: PATCH /proxy {"api_url": 5}': "upstream fails with 500; here it is a mistake of whoever asks",
    "nothing: GET /metrics": "upstream refuses with a page, here in JSON as everywhere in the API",
}
"""Exchange → why our answer is another one on purpose."""

OF_OURS = {"failure", "queue", "stops", "usage"}
"""What our models have beside upstream's."""


def plain(shape: Any) -> Any:
    """Return *shape* without our own additions and without what may be null, or is a spawner's own."""
    if isinstance(shape, list):
        different = {json.dumps(plain(inner), sort_keys=True) for inner in shape}
        return [json.loads(text) for text in sorted(different)]
    if not isinstance(shape, dict):
        return shape
    maybe = {"last_activity", "message", "info", "display", "state", "url", "user_options"}
    return {key: "…" if key in maybe else plain(inner) for key, inner in shape.items() if key not in OF_OURS}


def same(expected: Answer, found: Answer) -> bool:
    return (expected.status, expected.kind, plain(expected.shape)) == (found.status, found.kind, plain(found.shape))


def test_answers_are_the_same(both: list[tuple[Exchange, Answer, Answer]]) -> None:
    assert len(both) > 700
    different = {
        str(exchange): f"{exchange}\n    theirs: {expected}\n    ours:   {found}"
        for exchange, expected, found in both
        if not same(expected, found)
    }
    surprising = [text for exchange, text in different.items() if exchange not in DIFFERENCES]
    assert not surprising, f"{len(surprising)} of {len(both)} answers differ:\n" + "\n".join(surprising)
    assert different.keys() == DIFFERENCES.keys(), "a difference that is none any more"
