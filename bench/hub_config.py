"""The configuration of both hubs: one file that either of them reads. `hub_programs` fills in the environment."""

from __future__ import annotations

import os

try:
    from perijove.hub.ports.spawner import Spawner
except ImportError:
    from jupyterhub.spawner import Spawner  # type: ignore[import-not-found, no-redef]

POLLED = os.open(os.environ["BENCH_POLLED"], os.O_WRONLY | os.O_APPEND)


class Recorded(Spawner):
    """Servers that are only recorded: they run wherever the database says so, and one program answers for all."""

    async def start(self) -> str:
        return os.environ["BENCH_BACKEND"]

    async def poll(self) -> int | None:
        os.write(POLLED, f"{self.user.name}\n".encode())
        return None

    async def stop(self, now: bool = False) -> None:
        pass


c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.JupyterHub.bind_url = os.environ["BENCH_PUBLIC"]
c.JupyterHub.hub_port = int(os.environ["BENCH_PORT"])
c.JupyterHub.db_url = os.environ["BENCH_DATABASE"]
c.JupyterHub.log_level = 30
c.JupyterHub.authenticate_prometheus = False
c.JupyterHub.cleanup_servers = False
c.JupyterHub.spawner_class = Recorded
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True

# A proxy that runs already: what it costs is measured elsewhere.
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = os.environ["BENCH_PROXY"]
c.ConfigurableHTTPProxy.auth_token = os.environ["BENCH_TOKEN"]

# As short as it can be: writes are counted by the interval, and nobody wants to wait for half a minute.
c.JupyterHub.activity_resolution = 1
# Fine enough to see every stall of more than 50 ms.
c.PeriodicMetricsCollector.event_loop_interval_resolution = 0.01

c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["BENCH_TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers", "list:users", "tokens"]}
]
