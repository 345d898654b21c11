"""The names that containers made for JupyterHub 5 and 6 read."""

from __future__ import annotations

import re

from perijove.wire import environment

# What a JupyterHub hands to every server it starts, and to those whose spawner sets a limit.
ALWAYS = {
    "JUPYTERHUB_API_TOKEN",
    "JPY_API_TOKEN",
    "JUPYTERHUB_CLIENT_ID",
    "JUPYTERHUB_USER",
    "JUPYTERHUB_SERVER_NAME",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_ACTIVITY_URL",
    "JUPYTERHUB_BASE_URL",
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTERHUB_SERVICE_URL",
    "JUPYTERHUB_HOST",
    "JUPYTERHUB_OAUTH_CALLBACK_URL",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES",
    "JUPYTERHUB_OAUTH_SCOPES",
    "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES",
    "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED",
    "JUPYTERHUB_PUBLIC_URL",
    "JUPYTERHUB_PUBLIC_HUB_URL",
}
LIMITS = {"MEM_LIMIT", "MEM_GUARANTEE", "CPU_LIMIT", "CPU_GUARANTEE"}


def names() -> dict[str, str]:
    return {key: value for key, value in vars(environment).items() if key.isupper()}


def test_every_variable_that_a_server_needs_has_a_name() -> None:
    assert set(names().values()) >= ALWAYS | LIMITS


def test_no_name_stands_for_two_things() -> None:
    assert len(set(names().values())) == len(names())


def test_every_name_can_be_set_in_a_shell() -> None:
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", value) for value in names().values())


def test_the_token_of_the_proxy_is_read_from_the_usual_variable() -> None:
    assert environment.PROXY_AUTH_TOKEN == "CONFIGPROXY_AUTH_TOKEN"
