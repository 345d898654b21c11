from __future__ import annotations

import logging

import pytest

from perijove.client.api import HubUnavailable
from perijove.singleuser.hub_check import check_hub, version_warning


@pytest.mark.parametrize("version", ["6.1.1", "6.0.0b2", "6", "6.9.9.dev0", "v6.1"])
def test_same_major(version: str) -> None:
    assert version_warning(version) == ""


@pytest.mark.parametrize("version", ["5.4.6", "60.1", "7.0", "six", "x" * 1000])
def test_other_major(version: str) -> None:
    warning = version_warning(version)
    assert repr(version[:40]) in warning
    assert len(warning) < 300


@pytest.mark.parametrize("version", [None, ""])
def test_no_version(version: str | None) -> None:
    assert "does not say" in version_warning(version)


class FakeHub:
    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer

    async def version(self) -> str | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "logged"),
    [("6.1.1", ""), ("4.0", "'4.0'"), (HubUnavailable("it cannot be reached"), "it cannot be reached")],
)
async def test_check_only_warns(answer: str | Exception, logged: str, caplog: pytest.LogCaptureFixture) -> None:
    await check_hub(FakeHub(answer), logging.getLogger("test"))
    assert logged in caplog.text
    assert bool(caplog.records) is bool(logged)
