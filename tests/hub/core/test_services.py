from __future__ import annotations

import dataclasses

import pytest

from perijove.hub.core.services import Service


def test_a_service_has_no_special_rights_unless_configured() -> None:
    assert Service(1, "cull") == Service(1, "cull", admin=False)


def test_a_service_is_a_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Service(1, "cull"), "admin", True)  # noqa: B010 - mypy would refuse the plain assignment
