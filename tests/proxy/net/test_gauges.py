"""What a process says of itself."""

from __future__ import annotations

from typing import Any

from perijove.proxy.core.metrics import render
from perijove.proxy.net.gauges import process_samples, worker_samples


def test_a_process() -> None:
    samples = process_samples()
    assert samples["process_resident_memory_bytes"] > 1_000_000
    assert samples["process_open_fds"] > 2
    assert samples["process_cpu_seconds_total"] > 0


async def test_a_worker(start_proxy: Any, connect: Any, upstream: Any, echo: Any) -> None:
    proxy = await start_proxy({"/": await upstream(echo)}, metrics_port=0, metrics_ip="127.0.0.1")
    client = await connect(proxy.port)
    assert (await client.get("/"))[0] == 200
    samples = worker_samples(proxy.context)
    assert samples["perijove_proxy_open_connections"] == samples["perijove_proxy_routes"] == 1
    assert samples["perijove_proxy_open_tunnels"] == 0
    assert samples["requests_web"] == samples["find_target_for_req_count"] == 1
    assert samples["last_activity_updating_count"] >= 1
    assert render(samples)
    without = await start_proxy()
    assert "requests_web" not in worker_samples(without.context)
