from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perijove.hub.adapters.telemetry import audit_search
from perijove.hub.adapters.telemetry.audit import AuditFile
from perijove.hub.adapters.telemetry.audit_search import AuditSearch
from perijove.hub.core.audit import entry_of
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import SignedIn, SignInRefused, UserCreated
from perijove.hub.core.facts import Origin
from perijove.hub.ports.audit import AuditPage, AuditQuery
from perijove.hub.testing.store_samples import NOW

SECOND = timedelta(seconds=1)


def write(path: Path, first: int, count: int) -> None:
    """Write entries at the seconds *first* … after NOW: sign-ins, and every third one a user made by root."""
    entries = []
    for number in range(first, first + count):
        fact = UserCreated(f"Éva-{number}", "root") if number % 3 == 0 else SignedIn(f"user-{number}")
        entry = entry_of(fact, Origin("user", address="192.0.2.1", request_id="r"), NOW + number * SECOND)
        assert entry is not None
        entries.append(entry)
    AuditFile(path).append(entries, NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


async def found(path: Path, **wanted: Any) -> tuple[list[str], AuditPage]:
    page = await AuditSearch(path).find(AuditQuery(**wanted))
    return [entry["target"]["name"] for entry in page.entries], page


async def test_the_newest_line_comes_first_and_pages_follow(path: Path) -> None:
    write(path, 1, 5)
    names, page = await found(path, limit=2)
    assert names == ["user-5", "user-4"]
    names, page = await found(path, limit=2, place=page.place)
    assert names == ["Éva-3", "user-2"]
    write(path, 6, 1)
    names, page = await found(path, limit=2, place=page.place)
    assert (names, page.place) == (["user-1"], "")


async def test_each_wish_narrows_what_is_found(path: Path) -> None:
    write(path, 1, 6)
    refused = entry_of(SignInRefused("mallory", "wrong password"), Origin("visitor"), NOW + 7 * SECOND)
    assert refused is not None
    AuditFile(path).append([refused], NOW)
    assert (await found(path, text="ÉVA"))[0] == ["Éva-6", "Éva-3"]
    assert (await found(path, text="192.0.2"))[0] == ["Éva-6", "user-5", "user-4", "Éva-3", "user-2", "user-1"]
    assert (await found(path, text="wrong pass"))[0] == ["mallory"]
    assert (await found(path, action="user.create"))[0] == (await found(path, action="user."))[0] == ["Éva-6", "Éva-3"]
    assert (await found(path, action="user"))[0] == []
    assert (await found(path, actor="root"))[0] == ["Éva-6", "Éva-3"]
    assert (await found(path, outcome="refused"))[0] == ["mallory"]
    assert (await found(path, since=NOW + 2 * SECOND, until=NOW + 4 * SECOND))[0] == ["Éva-3", "user-2"]
    assert (await found(path, text="prev"))[0] == []


async def test_what_was_rotated_away_is_found_too(path: Path) -> None:
    write(path, 1, 2)
    path.rename(path.with_name("audit.jsonl.1"))
    write(path, 3, 1)
    names, page = await found(path, limit=2)
    assert names == ["Éva-3", "user-2"]
    path.with_name("audit.jsonl.1").rename(path.with_name("audit.jsonl.2"))
    path.rename(path.with_name("audit.jsonl.1"))
    assert (await found(path, place=page.place))[0] == ["user-1"]
    path.with_name("audit.jsonl.2").unlink()
    with pytest.raises(PerijoveError, match="Search again"):
        await found(path, place=page.place)
    for place in ("x", "1:2", f"{path.with_name('audit.jsonl.1').stat().st_ino}:x"):
        with pytest.raises(PerijoveError, match="Search again"):
            await found(path, place=place)


async def test_one_look_goes_only_so_far(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, 1, 30)
    monkeypatch.setattr(audit_search, "MOST_BYTES", 2000)
    monkeypatch.setattr(audit_search, "BLOCK", 100)
    names: list[str] = []
    place, looks = "", 0
    while place or not looks:
        more, page = await found(path, text="va-3", place=place)
        names, place, looks = names + more, page.place, looks + 1
        assert page.searched < 3000
    assert (names, looks > 3) == (["Éva-30", "Éva-3"], True)


async def test_what_is_no_line_is_passed_over(path: Path) -> None:
    write(path, 1, 1)
    path.write_bytes(path.read_bytes() + b"torn {" + b"\n\n" + b'{"no":"line"}\n')
    write(path, 2, 1)
    assert (await found(path))[0][0] == "user-2"
    assert "user-1" in (await found(path))[0]


async def test_a_log_that_is_missing_is_empty_and_one_that_cannot_be_read_is_told(path: Path) -> None:
    assert await found(path) == ([], AuditPage([], "", 0))
    path.mkdir()
    with pytest.raises(PerijoveError, match="cannot be read") as caught:
        await found(path)
    assert caught.value.code is Code.UNAVAILABLE
