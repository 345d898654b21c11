"""A store that was put back from a backup knows nothing of what was started since: that is ended, all else goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.forked_hubs import ForkedHub, eventually, forked_hub


def start(hub: ForkedHub, user: str) -> int:
    """Start a user's server and return its process id."""
    hub.call("POST", f"/users/{user}")
    hub.call("POST", f"/users/{user}/server")
    eventually(lambda: hub.rows()[user, ""].state == "ready", "the server is ready")
    return int(hub.rows()[user, ""].spawner_state["pid"])


def test_what_the_store_has_forgotten_is_ended_and_counted(tmp_path: Path) -> None:
    with forked_hub(tmp_path) as hub:
        hub.start()
        kept = start(hub, "ada")
        hub.interrupt()
        shutil.copytree(hub.data, tmp_path / "backup", ignore=shutil.ignore_patterns("homes", "logs"))
        hub.start()
        forgotten = start(hub, "grace")
        hub.kill()
        for file in hub.data.glob("*.sqlite*"):
            file.unlink()
        for file in (tmp_path / "backup").glob("*.sqlite*"):
            shutil.copy(file, hub.data)

        assert {notebook.pid for notebook in hub.notebooks()} == {kept, forgotten}
        hub.start()

        hub.settle()
        assert [notebook.pid for notebook in hub.notebooks()] == [kept]
        eventually(hub.strays, "the log names what was ended")
        assert len(hub.strays()) == 1
        metrics = hub.call("GET", "/metrics")
        assert metrics is not None
        assert 'jupyterhub_drift_corrections_total{kind="stray"} 1.0' in metrics.text


def test_a_hub_with_another_store_ends_nothing_of_this_ones(tmp_path: Path) -> None:
    with forked_hub(tmp_path) as hub:
        hub.start()
        pid = start(hub, "ada")
        hub.interrupt()
        config = tmp_path / "jupyterhub_config.py"
        text = config.read_text()
        config.write_text(f'{text}\nc.JupyterHub.db_url = "sqlite:///{tmp_path}/another.sqlite"\n')
        hub.start()
        hub.call("POST", "/users/grace")
        hub.call("POST", "/users/grace/server")
        eventually(lambda: len(hub.notebooks()) == 2, "the server of the other store runs")
        hub.kill()
        # What the other store has forgotten is ended, which shows that its hub looked.
        for file in tmp_path.glob("another.sqlite*"):
            file.unlink()
        hub.start()
        eventually(lambda: len(hub.notebooks()) == 1, "the other hub looked")
        hub.interrupt()
        config.write_text(text)
        hub.start()
        hub.settle()
        assert [notebook.pid for notebook in hub.notebooks()] == [pid]
