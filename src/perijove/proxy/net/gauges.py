"""What one process of the proxy is at the moment: a snapshot of its counters and of its state."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from perijove.proxy.core.metrics import Snapshot
from perijove.proxy.net.context import Context


def process_samples() -> Snapshot:
    """Return what this process uses, as far as the system tells."""
    samples: Snapshot = {"process_cpu_seconds_total": time.process_time()}
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        samples["process_resident_memory_bytes"] = pages * resource.getpagesize()
        samples["process_open_fds"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone are counted
    except OSError:
        return samples
    return samples


def worker_samples(context: Context) -> Snapshot:
    """Return all samples of a process that serves requests."""
    samples = process_samples()
    samples["perijove_proxy_open_tunnels"] = len(context.tunnels)
    samples["perijove_proxy_open_connections"] = len(context.connections) + len(context.tunnels)
    samples["perijove_proxy_routes"] = len(context.book.table)
    if context.observer is not None:
        samples |= context.observer.metrics.snapshot()
    return samples
