from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.site import Site


def label(name: str, domain: str, kind: str) -> str:
    return f"{name}-{kind}.{domain}"


ONE_HOST = Site("/jh/")
HOSTS = Site("/jh/", "https://hub.example:8443", label)


def test_on_one_host_everything_is_a_path() -> None:
    assert ONE_HOST.server_url("ada", "lab") == "/jh/user/ada/lab/"
    assert ONE_HOST.service_url("wiki") == "/jh/services/wiki/"
    assert ONE_HOST.public_server_url("ada") == ONE_HOST.public_service_url("wiki") == ""
    assert ONE_HOST.origin_of("user", "ada") == ""
    assert ONE_HOST.hub_routespec == "/jh/"
    assert ONE_HOST.server_routespec("ada") == "/jh/user/ada/"
    assert not ONE_HOST.is_below("ada.hub.example")
    assert Site("/", "https://hub.example").public_server_url("ada") == "https://hub.example/user/ada/"
    assert Site("/", "https://hub.example").public_service_url("wiki") == "https://hub.example/services/wiki/"


def test_with_hosts_each_owner_has_an_origin() -> None:
    assert HOSTS.server_url("ada", "lab") == "https://ada-user.hub.example:8443/jh/user/ada/lab/"
    assert HOSTS.service_url("wiki") == "https://wiki-service.hub.example:8443/jh/services/wiki/"
    assert HOSTS.public_server_url("ada") == HOSTS.server_url("ada")
    assert HOSTS.public_service_url("wiki") == HOSTS.service_url("wiki")
    assert HOSTS.hub_routespec == "/"
    assert HOSTS.server_routespec("ada", "lab") == "ada-user.hub.example/jh/user/ada/lab/"
    assert HOSTS.service_routespec("wiki") == "wiki-service.hub.example/jh/services/wiki/"
    assert (HOSTS.prefix, HOSTS.domain, HOSTS.secure) == ("/jh/hub/", "hub.example", True)


@pytest.mark.parametrize("host", ["ada.hub.example", "ADA.Hub.Example:8443", "a.b.hub.example"])
def test_hosts_of_owners_are_told_from_the_hubs(host: str) -> None:
    assert HOSTS.is_below(host)


@pytest.mark.parametrize("host", ["hub.example", "hub.example:8443", "evilhub.example", "127.0.0.1:8081", "", "[::1]"])
def test_other_hosts_are_not_owners(host: str) -> None:
    assert not HOSTS.is_below(host)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "hub.example",
        "ada.elsewhere.example",
        "a da.hub.example",
        "ada/x.hub.example",
        "-ada.hub.example",
        "ada-.hub.example",
        "ada..hub.example",
        "*.hub.example",
        "ADA.hub.example",
        "a" * 64 + ".hub.example",
        "a." * 125 + ".hub.example",
        "evil.example#.hub.example",
    ],
)
def test_a_hook_that_names_no_host_is_refused(answer: Any) -> None:
    with pytest.raises(PerijoveError, match="subdomain_hook") as caught:
        Site("/", "https://hub.example", lambda *_: answer).host_of("user", "ada")
    assert caught.value.code is Code.UNAVAILABLE


def test_a_hook_that_breaks_is_named() -> None:
    def broken(name: str, domain: str, kind: str) -> str:
        raise KeyError(name)

    with pytest.raises(PerijoveError, match="subdomain_hook failed"):
        Site("/", "https://hub.example", broken).server_url("ada")
