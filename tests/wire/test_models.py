from __future__ import annotations

import typing

import pytest

from perijove.wire import models

USER = "kind name admin user_info roles groups server pending created last_activity auth_state servers"
SERVER = "name display_name full_name last_activity started pending ready stopped url user_options progress_url"
SERVER += " full_url full_progress_url state"
TOKEN = "user service id kind roles scopes created last_activity expires_at note session_id oauth_client token"


@pytest.mark.parametrize(
    ("model", "keys"), [(models.UserModel, USER), (models.ServerModel, SERVER), (models.TokenModel, TOKEN)]
)
def test_a_model_has_the_keys_that_clients_read_and_may_leave_out_any(model: type, keys: str) -> None:
    hints = typing.get_type_hints(model)
    assert set(keys.split()) <= set(hints)
    assert set(hints) - set(keys.split()) <= {"failure"}
    assert getattr(model, "__required_keys__") == frozenset()  # noqa: B009 - not known to be a TypedDict here


def test_a_failure_always_has_all_its_parts() -> None:
    assert models.FailureModel.__required_keys__ == {"reason", "advice", "log", "at"}
