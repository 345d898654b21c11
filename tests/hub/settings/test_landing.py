from __future__ import annotations

from typing import Any

import pytest
from traitlets import TraitError

from perijove.hub.core.errors import PerijoveError
from perijove.hub.settings.landing import Landing, LandingOptions


def test_the_defaults() -> None:
    assert LandingOptions().landing == Landing()


def test_options_reach_the_pages() -> None:
    def lead(*_given: Any) -> str:
        return "/hub/home"

    options = LandingOptions(
        redirect_to_server=False,
        default_url=lead,
        default_server_name="lab",
        user_redirect_hook=lead,
        implicit_spawn_seconds=2.5,
        shutdown_on_logout=True,
        use_legacy_stopped_server_status_code=True,
    )
    assert options.landing == Landing(
        to_server=False,
        page=lead,
        server_name="lab",
        redirect=lead,
        start_after=2.5,
        stop_servers=True,
        stopped_status=503,
    )


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("default_url", 3, TraitError),
        ("user_redirect_hook", "/hub/home", TraitError),
        ("default_server_name", "My Lab", PerijoveError),
        ("implicit_spawn_seconds", -1, TraitError),
    ],
)
def test_what_cannot_be_is_refused(option: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        LandingOptions(**{option: value})
