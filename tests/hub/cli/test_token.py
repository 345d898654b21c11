from __future__ import annotations

import asyncio
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.cli.token import FAILED, OK, main
from perijove.hub.core.roles import DEFAULT_ROLES
from perijove.hub.core.tokens import Token, hash_token

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's folder with a configuration and a database in which ada is a user."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("perijove.hub.adapters.telemetry.logs.configure_logging", lambda level: None)
    (tmp_path / "jupyterhub_config.py").write_text("c.JupyterHub.token_expires_in_max_seconds = 3600\n")

    async def fill() -> None:
        store = await SqlStore.open(f"sqlite:///{tmp_path}/jupyterhub.sqlite")
        async with store.transaction() as tx:
            await tx.roles.replace_all(list(DEFAULT_ROLES.values()))
            for name in ("ada", getpass.getuser()):
                user = await tx.users.add(name, admin=False, now=NOW)
                await tx.roles.assign("user", "user", user.id)
        await store.close()

    asyncio.run(fill())
    return tmp_path


def stored(folder: Path, value: str) -> Token | None:
    async def look() -> Token | None:
        store = await SqlStore.open(f"sqlite:///{folder}/jupyterhub.sqlite", beside_hub=True)
        async with store.transaction() as tx:
            token = await tx.tokens.by_hash(hash_token(value))
        await store.close()
        return token

    return asyncio.run(look())


def test_a_token_is_made_printed_once_and_audited(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["Ada", "--note", "cron", "--scope", "read:users!user", "--expires-in", "60"]) == OK
    value = capsys.readouterr().out.strip()
    token = stored(folder, value)
    assert token is not None
    assert (token.owner_name, token.note, token.scopes) == ("ada", "cron", ("read:users!user",))
    line = json.loads((folder / "audit.jsonl").read_text().splitlines()[-1])
    assert (line["action"], line["details"]) == ("token.create", {"token": token.api_id})
    assert line["actor"] == {"kind": "operator", "name": getpass.getuser(), "credential": ""}
    assert value not in (folder / "audit.jsonl").read_text()


def test_it_is_for_whoever_asks_if_nobody_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == OK
    token = stored(folder, capsys.readouterr().out.strip())
    assert token is not None
    assert token.owner_name == getpass.getuser()
    assert token.expires_at is not None


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["nobody"], "There is no user 'nobody'"),
        (["a/b"], "Invalid user name"),
        (["ada", "--scope", "admin:users"], "does not have them"),
        (["ada", "--expires-in", "3601"], "must not exceed 3600"),
        (["ada", "-f", "missing.py"], "missing.py"),
    ],
)
def test_what_cannot_be_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str], complaint: str
) -> None:
    assert main(argv) == FAILED
    said = capsys.readouterr()
    assert complaint in said.err
    assert said.out == ""


def test_it_works_while_a_hub_has_the_database(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def beside() -> Token | None:
        hub = await SqlStore.open(f"sqlite:///{folder}/jupyterhub.sqlite")
        try:
            assert await asyncio.to_thread(main, ["ada"]) == OK
            async with hub.transaction() as tx:
                return await tx.tokens.by_hash(hash_token(capsys.readouterr().out.strip()))
        finally:
            await hub.close()

    token = asyncio.run(beside())
    assert token is not None


def test_it_works_without_an_audit_log(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "jupyterhub_config.py").write_text("c.JupyterHub.audit_log_file = ''\n")
    assert main(["ada"]) == OK
    assert stored(folder, capsys.readouterr().out.strip()) is not None
    assert not (folder / "audit.jsonl").exists()


def test_without_a_database_nothing_is_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "jupyterhub.sqlite").unlink()
    assert main(["ada"]) == FAILED
    assert "There is no database" in capsys.readouterr().err
    assert not (folder / "jupyterhub.sqlite").exists()
