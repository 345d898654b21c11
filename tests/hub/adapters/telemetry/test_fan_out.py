from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.hub.adapters.telemetry.fan_out import FanOut, describe
from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.core import events
from perijove.hub.core.events import Fact
from perijove.hub.ports.telemetry import Telemetry


def test_every_kind_of_fact_has_its_line(fact: Fact) -> None:
    line = describe(fact)
    assert line.sentence[0].isupper()
    assert line.level in ("info", "warning")
    told = line.sentence + " ".join(map(str, line.fields.values()))
    for name in fact.__slots__:
        assert str(getattr(fact, name)) in told


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (events.ServerReady("alice/", 1.26), "Server of alice is ready after 1.3 s"),
        (events.ServerReady("alice/lab", 0.04), "Server lab of alice is ready after 0.0 s"),
        (events.ServerFailed("alice/", "It ended.", 2.0), "Server of alice failed after 2.0 s: It ended."),
        (events.ProxyRestarted(1, 0.5), "The proxy was found dead; it was back with 1 route after 0.5 s"),
        (events.TokenCreated("alice", "root"), "Token of alice made by root"),
    ],
)
def test_sentences(fact: Fact, sentence: str) -> None:
    assert describe(fact).sentence == sentence


def test_facts_go_to_log_and_metrics(fact: Fact) -> None:
    seen: list[Fact] = []

    class Watching(Metrics):
        def emit(self, fact: Fact) -> None:
            seen.append(fact)

    telemetry: Telemetry = FanOut(Watching())
    with capture_logs() as lines:
        telemetry.emit(fact)
    assert seen == [fact]
    assert [(line["log_level"], line["event"]) for line in lines] == [(describe(fact).level, describe(fact).sentence)]


def test_trouble_with_a_fact_is_nobody_elses() -> None:
    class Broken(Metrics):
        def emit(self, fact: Fact) -> None:
            raise RuntimeError("no")

    odd: Any = "no fact at all"
    with capture_logs() as lines:
        FanOut(Broken()).emit(events.SignedIn("alice"))
        FanOut(Metrics()).emit(odd)
    assert [line["log_level"] for line in lines if line["event"] == "A fact could not be noted"] == ["error", "error"]
