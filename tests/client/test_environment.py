from __future__ import annotations

import pytest

from perijove.client.environment import BindAddress, InvalidEnvironment, ServerEnvironment, ServiceEnvironment

COMPLETE = {
    "JUPYTERHUB_API_TOKEN": "t0ken",
    "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-a",
    "JUPYTERHUB_USER": "a",
    "JUPYTERHUB_API_URL": "http://hub:8081/base/hub/api/",
    "JUPYTERHUB_BASE_URL": "/base/",
    "JUPYTERHUB_SERVICE_PREFIX": "/base/user/a/",
    "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:5678/base/user/a/",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=a/"]',
}


def read(**changes: str) -> ServerEnvironment:
    return ServerEnvironment.from_environ({**COMPLETE, **changes})


def problems(**changes: str) -> tuple[str, ...]:
    with pytest.raises(InvalidEnvironment) as error:
        read(**changes)
    return error.value.problems


def test_complete() -> None:
    environment = read()
    assert environment.api_url == "http://hub:8081/base/hub/api"
    assert environment.hub_url == "/base/hub/"
    assert environment.authorize_url == "/base/hub/api/oauth2/authorize"
    assert environment.callback_url == "/base/user/a/oauth_callback"
    assert environment.bind == BindAddress("127.0.0.1", 5678)
    assert environment.access_scopes == ("access:servers!server=a/",)
    assert environment.activity_interval == 300
    assert not environment.debug and not environment.disable_user_config and not environment.allow_token_in_url
    assert "t0ken" not in repr(environment)


def test_everything_missing_is_named_at_once() -> None:
    with pytest.raises(InvalidEnvironment) as error:
        ServerEnvironment.from_environ({"JUPYTERHUB_USER": ""})
    named = {problem.split()[0] for problem in error.value.problems}
    assert named == COMPLETE.keys() - {"JUPYTERHUB_BASE_URL"}
    for name in named:
        assert name in str(error.value)


def test_old_names() -> None:
    old = {
        **COMPLETE,
        "JPY_API_TOKEN": "old",
        "JUPYTERHUB_OAUTH_SCOPES": COMPLETE["JUPYTERHUB_OAUTH_ACCESS_SCOPES"],
    }
    del old["JUPYTERHUB_API_TOKEN"], old["JUPYTERHUB_OAUTH_ACCESS_SCOPES"]
    environment = ServerEnvironment.from_environ(old)
    assert environment.api_token == "old"
    assert environment.access_scopes == ("access:servers!server=a/",)


@pytest.mark.parametrize(
    ("url", "bind"),
    [
        ("http://:8888/user/a/", BindAddress("", 8888)),
        ("https://[::1]:0/user/a/", BindAddress("::1", 0)),
        ("https://host/user/a/", BindAddress("host", 443)),
        ("http://host", BindAddress("host", 80)),
    ],
)
def test_bind_address(url: str, bind: BindAddress) -> None:
    assert read(JUPYTERHUB_SERVICE_URL=url).bind == bind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JUPYTERHUB_SERVICE_URL", "unix+http://x"),
        ("JUPYTERHUB_SERVICE_URL", "http://host:port/"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", "[]"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", "access:servers"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", "[1]"),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", '["access:servers!nobody=x"]'),
        ("JUPYTERHUB_COOKIE_OPTIONS", "[]"),
        ("JUPYTERHUB_COOKIE_OPTIONS", '{"colour": 1}'),
        ("JUPYTERHUB_ACTIVITY_INTERVAL", "often"),
        ("JUPYTERHUB_ACTIVITY_INTERVAL", "nan"),
        ("JUPYTERHUB_ACTIVITY_INTERVAL", "-1"),
    ],
)
def test_unusable_values(name: str, value: str) -> None:
    found = problems(**{name: value})
    assert len(found) == 1
    assert found[0].startswith(name)


def test_options() -> None:
    environment = read(
        JUPYTERHUB_HOST="https://hub.example/",
        JUPYTERHUB_COOKIE_OPTIONS='{"SameSite": "None"}',
        JUPYTERHUB_DEBUG="1",
        JUPYTERHUB_DISABLE_USER_CONFIG="true",
        JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED="0",
        JUPYTERHUB_ACTIVITY_INTERVAL="0",
    )
    assert environment.authorize_url == "https://hub.example/base/hub/api/oauth2/authorize"
    assert environment.cookie_options == {"samesite": "None"}
    assert environment.debug and environment.disable_user_config and not environment.cookie_host_prefix
    assert environment.activity_interval == 0


SERVICE = {"JUPYTERHUB_SERVICE_NAME": "a b", "JUPYTERHUB_API_TOKEN": "t", "JUPYTERHUB_API_URL": "http://hub/hub/api"}


def test_a_service_needs_three_variables() -> None:
    service = ServiceEnvironment.from_environ(SERVICE)
    assert (service.name, service.prefix, service.client_id) == ("a b", "/services/a%20b/", "service-a b")
    assert service.callback_url == "/services/a%20b/oauth_callback"
    assert service.access_scopes == ("access:services", "access:services!service=a b")
    assert (service.bind, service.activity_url, service.hub_url) == (None, "", "/hub/")


def test_a_service_that_the_hub_describes_wholly() -> None:
    more = {
        "JUPYTERHUB_BASE_URL": "/base/",
        "JUPYTERHUB_SERVICE_PREFIX": "/base/services/a/",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:9001",
        "JUPYTERHUB_CLIENT_ID": "service-other",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "https://a.example/cb",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["custom:a:use"]',
        "JUPYTERHUB_HOST": "https://hub.example/",
        "JUPYTERHUB_PUBLIC_URL": "https://a.example/",
    }
    service = ServiceEnvironment.from_environ({**SERVICE, **more})
    assert (service.prefix, service.client_id) == ("/base/services/a/", "service-other")
    assert (service.callback_url, service.access_scopes) == ("https://a.example/cb", ("custom:a:use",))
    assert service.bind == BindAddress("127.0.0.1", 9001)
    assert service.authorize_url == "https://hub.example/base/hub/api/oauth2/authorize"


def test_a_service_without_any() -> None:
    with pytest.raises(InvalidEnvironment) as error:
        ServiceEnvironment.from_environ({"JUPYTERHUB_SERVICE_URL": "ftp://x"})
    assert [problem.split()[0] for problem in error.value.problems] == [
        "JUPYTERHUB_SERVICE_NAME",
        "JUPYTERHUB_API_TOKEN",
        "JUPYTERHUB_API_URL",
        "JUPYTERHUB_SERVICE_URL",
    ]
