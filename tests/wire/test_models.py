from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from perijove.wire import models


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (
            models.ServerModel,
            "name display_name full_name last_activity started pending ready stopped url user_options progress_url "
            "full_url full_progress_url failure state queue stops usage",
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


@pytest.mark.parametrize(
    ("model", "always"),
    [
        (models.UserModel, "kind name"),
        (models.GroupModel, "kind name"),
        (models.ServiceModel, "kind name"),
        (models.SelfUserModel, "kind name token_id session_id scopes"),
    ],
)
def test_fields_are_missing_where_the_caller_may_not_see_them(model: Any, always: str) -> None:
    assert model.__required_keys__ == set(always.split())


@pytest.mark.parametrize(
    ("model", "sometimes"),
    [
        (models.ServerModel, "state queue stops usage"),
        (models.TokenModel, "user service token"),
        (models.ShareCodeModel, "code accept_url full_accept_url"),
        (models.ProgressModel, "html_message url ready failed queue shown"),
    ],
)
def test_other_fields_are_always_there(model: Any, sometimes: str) -> None:
    assert model.__optional_keys__ == set(sometimes.split())
