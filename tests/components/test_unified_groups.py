"""Limits on a kernel with control groups of version 2 and no others, booted for that in a machine of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.machine import missing, run_in_a_machine

PACKAGES = ("perijove", "msgspec", "structlog", "traitlets")
PROGRAM = Path(__file__).with_name("unified_groups.py")
SECONDS = 240.0
"""It takes 30 where nothing else runs."""


@pytest.mark.skipif(bool(missing()), reason=f"no machine with control groups of version 2: {missing()}")
def test_limits_hold_with_control_groups_of_version_2_alone(tmp_path: Path) -> None:
    told = run_in_a_machine(PROGRAM, PACKAGES, tmp_path, SECONDS)
    for part in ("as_root", "as_user_with_a_delegated_group", "as_user_in_a_group_of_root"):
        assert f"\nSHOWN: {part}" in told.replace("\r", ""), told[-6000:]
