from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from perijove.hub.adapters.telemetry.metrics import Metrics
from perijove.hub.core import events
from perijove.hub.core.drift import Drift, DriftFound
from perijove.hub.core.facts import Fact


def samples(metrics: Metrics) -> dict[str, float]:
    """Return every sample, called ``name{label=value,…}``."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def changed_by(*facts: Fact) -> dict[str, float]:
    """Return the counts that *facts* leave behind."""
    metrics = Metrics()
    for fact in facts:
        metrics.emit(fact)
    return {
        name.removeprefix("jupyterhub_"): value
        for name, value in samples(metrics).items()
        if name.startswith("jupyterhub_") and value and ("_count{" in name or "_total{" in name)
    }


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([events.SignedIn("a")], {"sign_ins_total{status=success}": 1}),
        ([events.SignInRefused("a", "why")], {"sign_ins_total{status=failure}": 1}),
        ([events.SignedOut("a"), events.UserCreated("a", "b"), events.UserDeleted("a", "b")], {}),
        ([events.TokenCreated("a", "a")], {"token_changes_total{change=created}": 1}),
        ([events.TokenRevoked("a", "a")], {"token_changes_total{change=revoked}": 1}),
        ([events.ServerStartRequested("a/", "a")], {}),
        (
            [events.ServerStartRequested("a/", "a"), events.ServerReady("a/", 2)],
            {"server_spawn_duration_seconds_count{status=success}": 1},
        ),
        (
            [events.ServerStartRequested("a/", "a"), events.ServerFailed("a/", "why", 2)],
            {"server_spawn_duration_seconds_count{status=failure}": 1},
        ),
        ([events.ServerFailed("a/", "died", 3600)], {"server_crashes_total{}": 1}),
        (
            [events.ServerStartRequested("a/", "a"), events.ServerReady("a/", 2), events.ServerFailed("a/", "died", 9)],
            {"server_spawn_duration_seconds_count{status=success}": 1, "server_crashes_total{}": 1},
        ),
        ([events.ServerStopped("a/", 1)], {"server_stop_seconds_count{status=success}": 1}),
        ([events.ServerAdopted("a/")], {"server_adoptions_total{}": 1}),
        ([DriftFound(Drift.STRAY, "run x")], {"drift_corrections_total{kind=stray}": 1}),
        ([events.ProxyRestarted(3, 0.5)], {"proxy_restarts_total{}": 1}),
        (
            [events.RoutesChanged(2, 1)],
            {"proxy_route_corrections_total{change=added}": 2, "proxy_route_corrections_total{change=deleted}": 1},
        ),
    ],
)
def test_what_each_fact_counts(facts: list[Fact], expected: dict[str, float]) -> None:
    assert changed_by(*facts) == expected


def test_every_kind_of_fact_is_taken(fact: Fact) -> None:
    Metrics().emit(fact)


def test_requests_are_measured() -> None:
    metrics = Metrics()
    metrics.observe_request("GET", "users.list", 200, 0.02)
    metrics.observe_request("GET", "users.list", 200, 3)
    found = samples(metrics)
    labels = "code=200,handler=users.list,method=GET"
    assert found[f"jupyterhub_request_duration_seconds_count{{{labels}}}"] == 2
    assert found["jupyterhub_request_duration_seconds_bucket{code=200,handler=users.list,le=0.025,method=GET}"] == 1


def test_methods_that_somebody_made_up_are_one_label() -> None:
    metrics = Metrics()
    for number in range(3):
        metrics.observe_request(f"X{number}", "nothing", 405, 0.01)
    assert samples(metrics)["jupyterhub_request_duration_seconds_count{code=405,handler=nothing,method=OTHER}"] == 3


def test_gauges_say_what_they_were_told() -> None:
    metrics = Metrics()
    metrics.set_running(3)
    metrics.set_users(40)
    metrics.set_active_users("7d", 12)
    found = samples(metrics)
    assert found["jupyterhub_active_users{period=7d}"] == 12
    assert (found["jupyterhub_running_servers{}"], found["jupyterhub_total_users{}"]) == (3, 40)


def test_the_process_is_measured_and_hubs_do_not_share() -> None:
    one, other = Metrics(), Metrics()
    one.set_users(1)
    found = samples(other)
    assert found["jupyterhub_total_users{}"] == 0
    assert found["process_resident_memory_bytes{}"] > 0


def test_lateness_of_the_event_loop_is_counted_by_how_long_it_was() -> None:
    metrics = Metrics()

    metrics.observe_event_loop(0.01)
    metrics.observe_event_loop(0.06)

    found = samples(metrics)
    assert found["jupyterhub_event_loop_interval_seconds_bucket{le=0.05}"] == 1
    assert found["jupyterhub_event_loop_interval_seconds_bucket{le=0.075}"] == 2


def test_each_kind_of_drift_is_there_from_the_start() -> None:
    assert {f"jupyterhub_drift_corrections_total{{kind={drift}}}" for drift in Drift} <= set(samples(Metrics()))
