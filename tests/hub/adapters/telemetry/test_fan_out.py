from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from perijove.hub.adapters.telemetry.fan_out import FanOut, describe
from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.core import events
from perijove.hub.core.facts import Fact
from perijove.hub.ports.telemetry import Telemetry
from perijove.hub.testing.fakes import RecordingTelemetry


def test_every_kind_of_fact_has_its_line(fact: Fact) -> None:
    sentence = fact.sentence()
    assert sentence[0].isupper()
    told = sentence + " ".join(map(str, describe(fact).values()))
    for name in fact.__struct_fields__:
        assert str(getattr(fact, name)) in told


def test_what_is_empty_is_not_told() -> None:
    assert describe(events.TokenCreated("ada", "root", "a7")) == {"owner": "ada", "by": "root", "token": "a7"}


def test_facts_go_to_the_log_and_to_everybody_else(fact: Fact) -> None:
    one, other = RecordingTelemetry(), RecordingTelemetry()
    telemetry: Telemetry = FanOut(one, other)
    with capture_logs() as lines:
        telemetry.emit(fact)
    assert one.facts == other.facts == [fact]
    level = "warning" if fact.warning else "info"
    assert [(line["log_level"], line["event"]) for line in lines] == [(level, fact.sentence())]


def test_trouble_of_one_with_a_fact_is_nobody_elses() -> None:
    class Broken:
        def emit(self, fact: Fact) -> None:
            raise RuntimeError("no")

    odd: Any = "no fact at all"
    last = RecordingTelemetry()
    with capture_logs() as lines:
        FanOut(Broken(), last).emit(events.SignedIn("alice"))
        FanOut(Metrics()).emit(odd)
    assert [line["log_level"] for line in lines if line["event"] == "A fact could not be noted"] == ["error", "error"]
    assert last.facts == [events.SignedIn("alice")]
