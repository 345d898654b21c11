from __future__ import annotations

import typing
from typing import Any

import pytest

from perijove.hub.core import events, role_events
from perijove.hub.core.facts import Fact


def test_every_kind_is_known() -> None:
    declared = {
        value
        for module in (events, role_events)
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and issubclass(value, Fact)
    }
    assert set(events.kinds()) == declared
    assert events.SignedIn in events.kinds()


@pytest.mark.parametrize("kind", events.kinds(), ids=lambda kind: kind.__name__)
def test_a_fact_is_an_unchangeable_value_of_plain_data(kind: Any) -> None:
    hints = {name: hint for name, hint in typing.get_type_hints(kind).items() if name not in ("warning", "audited")}
    assert set(hints.values()) <= {str, int, float, bool}
    one, same = (kind(**{name: hint() for name, hint in hints.items()}) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    with pytest.raises(AttributeError):
        setattr(one, next(iter(hints)), "changed")
    assert not hasattr(one, "__dict__")


@pytest.mark.parametrize("kind", events.kinds(), ids=lambda kind: kind.__name__)
def test_the_audit_log_is_told_of_fields_that_there_are(kind: type[Fact]) -> None:
    if kind.audited is not None:
        assert {kind.audited.who, kind.audited.whom} <= set(kind.__struct_fields__)


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (events.ServerReady("alice/", 1.26), "Server of alice is ready after 1.3 s"),
        (events.ServerReady("alice/lab", 0.04), "Server lab of alice is ready after 0.0 s"),
        (events.ServerFailed("alice/", "It ended.", 2.0), "Server of alice failed after 2.0 s: It ended."),
        (events.ProxyRestarted(1, 0.5), "The proxy was found dead; it was back with 1 route after 0.5 s"),
        (events.TokenCreated("alice", "root", "a7"), "Token a7 of alice made by root"),
        (events.AdminChanged("alice", False, "root"), "User alice was made no administrator any more by root"),
        (
            events.ServerShared("alice/", "user bob", "access:servers", "alice"),
            "Server of alice was shared with user bob by alice: access:servers",
        ),
        (
            events.ServerShared("alice/lab", "user bob", "access:servers", "bob", "sc_3"),
            "Server lab of alice was shared with user bob by sc_3: access:servers",
        ),
        (
            events.ShareRevoked("alice/", "", "", "alice"),
            "Server of alice is shared no longer with everybody, says alice: everything",
        ),
        (events.ShareCodeChanged("alice/", "sc_3", True, "alice"), "Share code sc_3 of alice/ made by alice"),
        (events.ShareCodeChanged("alice/", "", False, "root"), "All share codes of alice/ revoked by root"),
    ],
)
def test_sentences(fact: Fact, sentence: str) -> None:
    assert fact.sentence() == sentence
