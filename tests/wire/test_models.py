from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from perijove.wire import models

MODELS = [models.ServerModel, models.FailureModel, models.UserModel, models.TokenModel]


@pytest.mark.parametrize("model", MODELS)
def test_every_field_has_a_type_that_json_has(model: type) -> None:
    allowed: set[Any] = {str, bool, str | None, dict[str, Any], dict[str, Any] | None, list[str]}
    allowed |= {models.FailureModel | None, dict[str, models.ServerModel]}
    assert set(get_type_hints(model).values()) <= allowed


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (
            models.ServerModel,
            "name display_name full_name last_activity started pending ready stopped url user_options progress_url "
            "full_url full_progress_url failure state",
        ),
        (
            models.UserModel,
            "kind name admin user_info roles groups server pending created last_activity auth_state servers",
        ),
        (
            models.TokenModel,
            "user service id kind roles scopes created last_activity expires_at note session_id oauth_client token",
        ),
    ],
)
def test_fields_are_those_that_clients_of_jupyterhub_read(model: type, fields: str) -> None:
    assert set(get_type_hints(model)) == set(fields.split())


@pytest.mark.parametrize("model", [models.ServerModel, models.UserModel, models.TokenModel])
def test_fields_may_be_missing_where_the_caller_may_not_see_them(model: Any) -> None:
    assert model.__required_keys__ == frozenset()
