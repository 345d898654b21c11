from __future__ import annotations

from perijove.hub.adapters.telemetry.audit_search import AuditSearch
from perijove.hub.ports.audit import AuditQuery, AuditReader


def test_a_query_asks_for_everything() -> None:
    query = AuditQuery()
    assert (query.text, query.action, query.actor, query.outcome, query.since, query.until, query.place) == (
        "",
        "",
        "",
        "",
        None,
        None,
        "",
    )


def test_the_adapter_keeps_the_port(tmp_path: object) -> None:
    reader: type[AuditReader] = AuditSearch
    assert reader is AuditSearch
