"""What supervisor and worker tell each other."""

from __future__ import annotations

import json
from typing import Any

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.targets import Target, parse_target
from perijove.proxy.settings import ProxySettings
from perijove.proxy.workers.messages import apply, change_message, read_settings, settings_message, table_message


def sent(message: Any) -> Any:
    return json.loads(json.dumps(message))


def target(url: str) -> Target:
    parsed = parse_target(url)
    assert isinstance(parsed, Target)
    return parsed


def test_a_worker_gets_its_settings_without_what_it_must_not_have() -> None:
    settings = ProxySettings(
        auth_token="secret",
        state_file="s",
        pid_file="p",
        workers=3,
        max_connections=100,
        custom_headers=(("X-A", "b"),),
        drain_timeout=1.5,
    )
    message = sent(settings_message(settings))
    assert "secret" not in json.dumps(message)
    assert read_settings(message) == ProxySettings(
        workers=3, max_connections=34, custom_headers=(("X-A", "b"),), drain_timeout=1.5
    )


def test_no_limit_stays_none() -> None:
    assert read_settings(sent(settings_message(ProxySettings(workers=2)))) == ProxySettings(workers=2)


def test_a_worker_follows_its_supervisor() -> None:
    leader, worker = RouteBook(host_routing=True, epoch="x"), RouteBook(host_routing=True)
    leader.put("/h.tld/a", target("http://127.0.0.1:1"), {"user": "é"}, 1.0)
    leader.put("/h.tld/b", target("http://127.0.0.1:2/base"), {}, 1.0)
    message = sent(table_message(leader))
    assert message["number"] == 2
    apply(worker, message)
    leader.watchers.add(lambda change: apply(worker, sent(change_message(change))))
    leader.put("/h.tld/a", target("http://127.0.0.1:3"), {"hub": True}, 2.0)
    leader.remove("/h.tld/b")
    leader.replace([*leader.table, leader.route("/c", target("http://127.0.0.1:4"), {})], 3.0)
    assert {route.key: route for route in worker.table} == {route.key: route for route in leader.table}
    assert worker.activity.since(0.0) == {}
    apply(worker, sent(table_message(RouteBook())))
    assert not len(worker.table)
