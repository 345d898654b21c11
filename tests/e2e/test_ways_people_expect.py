"""Version, help, health, metrics, and a log that says what happened, to whom and how long it took."""

from __future__ import annotations

import re
import subprocess

import httpx
from tests.support.browsers import Visitor
from tests.support.hubs import OPS_TOKEN, PERIJOVE, RunningHub, eventually

import perijove


def output(*arguments: str) -> str:
    """Return what the command prints."""
    return subprocess.run([str(PERIJOVE), *arguments], capture_output=True, text=True, timeout=60, check=True).stdout


def test_version_and_help() -> None:
    assert output("--version").startswith(f"perijove {perijove.__version__}")
    assert "check-config" in output("--help")
    assert "--api-port" in output("proxy", "--help")


def test_health_metrics_and_footer(configured: RunningHub) -> None:
    assert httpx.get(f"{configured.url}/hub/health", trust_env=False).status_code == 200
    assert httpx.get(f"{configured.url}/hub/metrics", trust_env=False).status_code == 403
    assert f"Perijove {perijove.__version__}" in httpx.get(f"{configured.url}/hub/login", trust_env=False).text


def test_metrics_for_whoever_may_read_them(configured: RunningHub) -> None:
    with Visitor(configured) as admin:
        admin.sign_in("admin")
        metrics = admin.get("/hub/metrics")
    assert metrics.status_code == 200
    assert "jupyterhub_request_duration_seconds_bucket" in metrics.text
    assert "jupyterhub_running_servers" in metrics.text


def test_the_log_says_what_happened_to_whom_and_how_long_it_took(configured: RunningHub) -> None:
    with configured.client(OPS_TOKEN) as api:
        api.post("/users/ada")
        api.post("/users/ada/server")
        eventually(lambda: api.get("/users/ada/server").json()["ready"], "the server is ready")
        api.delete("/users/ada/server")
        eventually(lambda: api.get("/users/ada/server").json()["stopped"], "the server is stopped")
    assert re.search(r"ada.* ready after \d+\.\d+ s", configured.log), configured.log
    assert re.search(r"ada.* stopped within \d+\.\d+ s", configured.log)
    assert OPS_TOKEN not in configured.log
