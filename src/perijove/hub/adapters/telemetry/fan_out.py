"""Each domain fact becomes a log line and metrics."""

from __future__ import annotations

from typing import Any, NamedTuple, assert_never

import structlog

from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.core import events
from perijove.hub.core.events import Fact


class Line(NamedTuple):
    """A log line: what happened in words, and the same for programs."""

    level: str
    sentence: str
    fields: dict[str, Any]


def describe(fact: Fact) -> Line:
    """Return the line that tells of *fact*: what happened, to whom, and how long it took."""
    match fact:
        case events.SignedIn():
            return Line("info", f"User {fact.user} signed in", {"user": fact.user})
        case events.SignInRefused():
            return Line("warning", f"Sign-in refused: {fact.reason}", {"name": fact.name})
        case events.SignedOut():
            return Line("info", f"User {fact.user} signed out", {"user": fact.user})
        case events.UserCreated():
            return Line("info", f"User {fact.user} was created by {fact.by}", {"user": fact.user, "by": fact.by})
        case events.UserDeleted():
            return Line("info", f"User {fact.user} was deleted by {fact.by}", {"user": fact.user, "by": fact.by})
        case events.TokenCreated():
            return Line("info", f"Token of {fact.owner} made by {fact.by}", {"owner": fact.owner, "by": fact.by})
        case events.TokenRevoked():
            return Line("info", f"Token of {fact.owner} revoked by {fact.by}", {"owner": fact.owner, "by": fact.by})
        case events.ProxyRestarted():
            sentence = (
                f"The proxy was found dead; it was back with {_count(fact.routes, 'route')} after {_s(fact.seconds)}"
            )
            return Line("warning", sentence, {"routes": fact.routes, "seconds": fact.seconds})
        case events.RoutesChanged():
            sentence = f"The proxy's table was put right: {fact.added} added, {fact.deleted} deleted"
            return Line("info", sentence, {"added": fact.added, "deleted": fact.deleted})
        case _:
            return _describe_server(fact)


def _describe_server(
    fact: events.ServerStartRequested
    | events.ServerReady
    | events.ServerFailed
    | events.ServerStopped
    | events.ServerAdopted,
) -> Line:
    who = _server(fact.server)
    fields: dict[str, Any] = {"server": fact.server}
    match fact:
        case events.ServerStartRequested():
            return Line("info", f"{who} was asked for by {fact.by}", fields | {"by": fact.by})
        case events.ServerReady():
            return Line("info", f"{who} is ready after {_s(fact.seconds)}", fields | {"seconds": fact.seconds})
        case events.ServerFailed():
            sentence = f"{who} failed after {_s(fact.seconds)}: {fact.reason}"
            return Line("warning", sentence, fields | {"seconds": fact.seconds})
        case events.ServerStopped():
            return Line("info", f"{who} stopped within {_s(fact.seconds)}", fields | {"seconds": fact.seconds})
        case events.ServerAdopted():
            return Line("info", f"{who} was found running, started by an earlier hub process", fields)
        case _:
            assert_never(fact)


def _server(full_name: str) -> str:
    user, _, name = full_name.partition("/")
    return f"Server {name} of {user}" if name else f"Server of {user}"


def _s(seconds: float) -> str:
    return f"{seconds:.1f} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class FanOut:
    """The telemetry port: facts go to the log and to metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("perijove.events")

    def emit(self, fact: Fact) -> None:
        """Take note that *fact* happened; what goes wrong with that is logged and nothing else."""
        try:
            line = describe(fact)
            self._log.log(_LEVELS[line.level], line.sentence, **line.fields)
            self._metrics.emit(fact)
        except Exception:
            self._log.exception("A fact could not be noted", fact=type(fact).__name__)


_LEVELS = {"info": 20, "warning": 30}
