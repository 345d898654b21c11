"""What upstream's single-user server prints when it fails, and what the hub makes of it."""

from __future__ import annotations

from pathlib import Path

from tests.support.failing import why_it_failed


async def test_a_hub_that_cannot_be_reached(upstream: Path, tmp_path: Path) -> None:
    command = [str(upstream / "jupyterhub-singleuser")]
    failure = await why_it_failed(
        tmp_path, cmd=command, hub_connect_url="http://127.0.0.1:1", says="Cannot connect to host"
    )
    assert failure.reason.endswith("it cannot reach the hub.")
    assert "c.JupyterHub.hub_connect_url" in failure.advice


async def test_variables_that_were_not_handed_on(upstream: Path, tmp_path: Path) -> None:
    failure = await why_it_failed(tmp_path, cmd=["env", "-i", str(upstream / "jupyterhub-singleuser")])
    assert failure.reason.endswith("it was not told which hub started it.")
