"""The configuration file that is also valid for JupyterHub, and what happens to one with mistakes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
from tests.support.hubs import OPS_TOKEN, PERIJOVE, UPSTREAM_CONFIG, RunningHub, free_ports


def perijove(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in *folder* to its end."""
    return subprocess.run(
        [str(PERIJOVE), *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def write(folder: Path, more: str = "") -> None:
    """Write the configuration file, with lines added."""
    port, hub_port, api_port = free_ports(3)
    text = UPSTREAM_CONFIG.format(port=port, hub_port=hub_port, api_port=api_port)
    (folder / "jupyterhub_config.py").write_text(text + more)


def test_the_file_does_what_it_says(configured: RunningHub) -> None:
    answer = httpx.get(f"http://127.0.0.1:{configured.hub_port}/hub/api", trust_env=False)
    assert answer.status_code == 200
    assert httpx.get(f"http://127.0.0.1:{configured.api_port}/api/routes", trust_env=False).status_code == 403
    assert (configured.folder / "jupyterhub.sqlite").exists()
    assert (configured.folder / "cookie_secret").stat().st_mode & 0o777 == 0o600
    with configured.client(OPS_TOKEN) as api:
        assert api.get("/users/admin").json()["admin"] is True
        assert "admin:users" in api.get("/user").json()["scopes"]
        assert api.post("/shutdown").status_code in {403, 404}


def test_it_is_fine_before_it_is_started(tmp_path: Path) -> None:
    write(tmp_path)
    checked = perijove(tmp_path, "check-config", "-f", "jupyterhub_config.py")
    assert checked.returncode == 0, checked.stderr
    shown = perijove(tmp_path, "-f", "jupyterhub_config.py", "--show-config")
    assert "DummyAuthenticator" in shown.stdout or "dummy" in shown.stdout
    assert "a-token-of-at-least" not in shown.stdout


def test_every_mistake_is_told_at_once_with_the_right_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        "c.JupyterHub.bind_ulr = 'http://127.0.0.1:1'\n"
        "c.Spawner.start_timeout = 'soon'\n"
        "c.JupyterHub.authenticator_class = 'dumy'\n"
        "c.Spwaner.args = []\n",
    )
    refused = perijove(tmp_path, "-f", "jupyterhub_config.py")
    assert refused.returncode == 1
    for expected in ("bind_url", "start_timeout", "dummy", "Spawner"):
        assert expected in refused.stderr, refused.stderr
    assert refused.stderr.count("jupyterhub_config.py:") == 4, refused.stderr
    assert not (tmp_path / "jupyterhub.sqlite").exists()


def test_flags_beat_the_file(tmp_path: Path) -> None:
    write(tmp_path)
    shown = perijove(tmp_path, "-f", "jupyterhub_config.py", "--Spawner.start_timeout=7", "--show-config")
    assert shown.returncode == 0, shown.stderr
    assert "start_timeout" in shown.stdout
    assert "7" in shown.stdout


def test_a_generated_file_is_fine(tmp_path: Path) -> None:
    assert perijove(tmp_path, "--generate-config").returncode == 0
    assert perijove(tmp_path, "check-config").returncode == 0
    everything = perijove(tmp_path, "--help-all").stdout
    assert "SimpleLocalProcessSpawner.home_dir_template" in everything


def test_a_second_hub_on_the_same_database_is_refused(configured: RunningHub, tmp_path: Path) -> None:
    ports = free_ports(2)
    refused = perijove(
        configured.folder,
        "-f",
        "jupyterhub_config.py",
        f"--port={ports[0]}",
        f"--JupyterHub.hub_port={ports[1]}",
    )
    assert refused.returncode == 1
    assert "jupyterhub.sqlite" in refused.stderr + refused.stdout
    assert httpx.get(f"{configured.url}/hub/health", trust_env=False).status_code == 200
