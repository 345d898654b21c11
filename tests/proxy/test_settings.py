"""Settings explain themselves and keep the token to themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from perijove.proxy.settings import ProxySettings


def test_every_setting_has_a_help_text() -> None:
    assert all(each.metadata["help"] for each in fields(ProxySettings))


def test_settings_do_not_change_and_do_not_show_the_token() -> None:
    settings = ProxySettings(auth_token="secret")
    assert "secret" not in repr(settings)
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
