from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from traitlets import TraitError

from perijove.hub.settings.addresses import (
    absolute_database_url,
    at_host,
    check_database_url,
    check_http_url,
    is_everywhere,
    port_of,
)


def test_an_ipv6_address_goes_in_brackets() -> None:
    assert at_host("::1") == "[::1]"
    assert at_host("[::1]") == "[::1]"
    assert at_host("host") == "host"


@pytest.mark.parametrize(("address", "expected"), [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False)])
def test_listening_everywhere_is_recognised(address: str, expected: bool) -> None:
    assert is_everywhere(address) is expected


@pytest.mark.parametrize(
    ("url", "port"), [("http://a", 80), ("https://a", 443), ("http://a:8000/x", 8000), ("http://a:0", 0)]
)
def test_a_url_without_port_has_that_of_its_scheme(url: str, port: int) -> None:
    assert port_of(urlsplit(url)) == port


@pytest.mark.parametrize("url", ["http://a", "https://a:1/b", "http://[::1]:8000"])
def test_a_url_of_http_is_taken_as_it_is(url: str) -> None:
    assert check_http_url(url) == url


def test_a_url_without_host_stands_for_all_addresses_where_that_makes_sense() -> None:
    assert check_http_url("http://:8000", host_needed=False) == "http://:8000"
    with pytest.raises(TraitError, match="no host"):
        check_http_url("http://:8000")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http+unix://%2Fsock", "Unix sockets are not available"),
        ("127.0.0.1:8000", "must begin with http"),
        ("ftp://a", "must begin with http"),
        ("http://a:99999", "no URL"),
        ("http://a:x", "no URL"),
        ("http://a/?q=1", "must end after the path"),
        ("http://me:geheim@a", "name no user"),
        ("http:/a", "no host"),
    ],
)
def test_other_urls_are_refused_with_a_reason(url: str, why: str) -> None:
    with pytest.raises(TraitError, match=why) as error:
        check_http_url(url)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("url", ["sqlite:///a", "sqlite:////a", "sqlite://", "a.sqlite", "sqlite+aiosqlite:///a"])
def test_a_sqlite_database_is_accepted(url: str) -> None:
    assert check_database_url(url) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "empty"),
        ("mysql://me:geheim@h/db", "postgresql://"),
        ("sqlite://a.sqlite", "three slashes"),
        ("sqlite:///a?mode=ro", "must end"),
    ],
)
def test_other_databases_are_refused(url: str, why: str) -> None:
    with pytest.raises(TraitError, match=why) as error:
        check_database_url(url)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("url", ["postgresql://me:geheim@h/db?sslmode=require", "postgresql+psycopg2://h/db"])
def test_a_postgresql_database_is_accepted_and_stays_as_it_is(url: str) -> None:
    assert check_database_url(url) == url
    assert absolute_database_url(url, Path("/data")) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///a/b", "sqlite:////data/a/b"),
        ("sqlite:////x/b", "sqlite:////x/b"),
        ("b.sqlite", "sqlite:////data/b.sqlite"),
        ("sqlite://", "sqlite:///:memory:"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
    ],
)
def test_a_relative_database_starts_in_the_data_folder(url: str, expected: str) -> None:
    assert absolute_database_url(url, Path("/data")) == expected
