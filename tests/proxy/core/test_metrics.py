"""Counters and their text form."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from perijove.proxy.core.metrics import BUCKETS, FAMILIES, KINDS, Metrics, added_up, render

PEERS_NAMES = {
    "api_route_get",
    "api_route_add",
    "api_route_delete",
    "find_target_for_req",
    "last_activity_updating",
    "requests_ws",
    "requests_web",
    "requests_proxy",
    "requests_api",
}


def counted() -> Metrics:
    metrics = Metrics()
    metrics.requests_web = 3
    metrics.answered("user", 200, 10, 100, 0.004)
    metrics.answered("user", 404, 0, 50, 100.0)
    metrics.answered("hub", 0, 5, 0, None)
    metrics.failed("unreachable")
    metrics.refused(400)
    metrics.refused(429, connection=True)
    return metrics


def test_what_is_counted() -> None:
    samples = counted().snapshot()
    assert samples["requests_web"] == 3
    assert samples['requests_proxy{status="200"}'] == samples['requests_proxy{status="400"}'] == 1
    assert samples['perijove_proxy_exchanges_total{kind="user",status="4xx"}'] == 1
    assert samples['perijove_proxy_received_bytes_total{kind="hub"}'] == 5
    assert samples['perijove_proxy_sent_bytes_total{kind="user"}'] == 150
    assert samples['perijove_proxy_upstream_errors_total{reason="unreachable"}'] == 1
    assert samples['perijove_proxy_refused_requests_total{status="400"}'] == 1
    assert samples['perijove_proxy_refused_connections_total{status="429"}'] == 1
    assert not any("499" in name or 'status="0' in name for name in samples)
    name = "perijove_proxy_first_byte_seconds"
    assert samples[f'{name}_bucket{{kind="user",le="0.0025"}}'] == 0
    assert samples[f'{name}_bucket{{kind="user",le="0.005"}}'] == 1
    assert samples[f'{name}_bucket{{kind="user",le="60"}}'] == 1
    assert samples[f'{name}_bucket{{kind="user",le="+Inf"}}'] == samples[f'{name}_count{{kind="user"}}'] == 2
    assert samples[f'{name}_sum{{kind="user"}}'] == pytest.approx(100.004)


def test_the_admin_api() -> None:
    metrics = Metrics()
    metrics.asked_api("GET", 200, listing=True)
    metrics.asked_api("GET", 200, listing=False)
    metrics.asked_api("POST", 201, listing=False)
    metrics.asked_api("POST", 400, listing=False)
    metrics.asked_api("DELETE", 404, listing=False)
    samples = metrics.snapshot()
    assert [samples[f"api_route_{what}"] for what in ("get", "add", "delete")] == [1, 1, 1]
    assert samples['requests_api{status="200"}'] == 2


def test_several_workers_count_as_one() -> None:
    one, other = counted().snapshot(), counted().snapshot()
    one["perijove_proxy_routes"] = other["perijove_proxy_routes"] = 7
    both = added_up((one, other))
    assert both["requests_web"] == 6
    assert both['perijove_proxy_sent_bytes_total{kind="user"}'] == 300
    assert both["perijove_proxy_routes"] == 7
    assert added_up(()) == {}


def test_prometheus_reads_it() -> None:
    text = render(counted().snapshot()).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families.keys() >= PEERS_NAMES
    for name, (kind, help_text) in FAMILIES.items():
        family = families[name.removesuffix("_total") if kind == "counter" else name]
        assert (family.type, family.documentation) == (kind, help_text)
    histogram = families["perijove_proxy_first_byte_seconds"]
    assert len(histogram.samples) == len(KINDS) * (len(BUCKETS) + 3)
    assert text.endswith("\n")


def test_the_documentation_has_every_name(checkout: Path) -> None:
    text = (checkout / "docs" / "proxy.md").read_text()
    shown = text.partition("<!-- metrics:")[2].partition("-->\n")[2].partition("<!-- end of metrics")[0]
    rows = [
        f"| `{name}` | {kind} | {help_text} |"
        for name, (kind, help_text) in FAMILIES.items()
        if name not in PEERS_NAMES
    ]
    assert shown.strip().splitlines() == ["| name | type | what it counts |", "| --- | --- | --- |", *rows]
    assert all(f"`{name}" in text for name in PEERS_NAMES)


def test_what_no_family_has_cannot_be_written() -> None:
    with pytest.raises(KeyError):
        render({"unknown": 1})
