from __future__ import annotations

import pytest

from perijove.hub.core.services import FIRST_PAUSE, LONGEST_PAUSE, STEADY, Service, derived_token, next_pause


def test_a_service_has_no_special_rights_unless_configured() -> None:
    assert Service(1, "cull") == Service(1, "cull", admin=False)


def test_a_service_is_a_value() -> None:
    with pytest.raises(AttributeError):
        setattr(Service(1, "cull"), "admin", True)  # noqa: B010 - mypy would refuse the plain assignment


@pytest.mark.parametrize(
    ("url", "target"),
    [("", ""), ("http://127.0.0.1:1", "http://127.0.0.1:1"), ("https://host:1/services/x/", "https://host:1")],
)
def test_requests_go_to_the_origin_as_they_hold_the_path_already(url: str, target: str) -> None:
    assert Service(1, "x", url=url).target == target


def test_pauses_grow_and_begin_anew_after_a_steady_run() -> None:
    pauses = [0.0]
    while len(pauses) < 10:
        pauses.append(next_pause(pauses[-1], ran=1.0))
    assert pauses[1:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert next_pause(LONGEST_PAUSE, ran=STEADY) == FIRST_PAUSE


def test_a_derived_token_is_the_same_again_and_another_for_each_service_and_secret() -> None:
    tokens = {derived_token(secret, name) for secret in (b"one", b"two") for name in ("a", "b")}
    assert len(tokens) == 4
    assert derived_token(b"one", "a") in tokens
