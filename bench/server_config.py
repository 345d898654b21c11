"""The configuration of both hubs where they start real servers. `server_programs` fills in the environment."""

from __future__ import annotations

import os

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.JupyterHub.bind_url = os.environ["BENCH_PUBLIC"]
c.JupyterHub.hub_port = int(os.environ["BENCH_PORT"])
c.JupyterHub.db_url = os.environ["BENCH_DATABASE"]
c.JupyterHub.log_level = 30
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url = os.environ["BENCH_PROXY"]

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = os.environ["BENCH_HOMES"] + "/{username}"
if os.geteuid() == 0:
    c.Spawner.args = ["--allow-root"]
if "BENCH_TIMEOUT" in os.environ:
    c.Spawner.start_timeout = c.Spawner.http_timeout = int(os.environ["BENCH_TIMEOUT"])
if "BENCH_EXECUTED" in os.environ:
    c.SimpleLocalProcessSpawner.use_launcher = False

c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["BENCH_TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers", "access:servers"]}
]
