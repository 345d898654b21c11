from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets import TraitError

from perijove.hub.core.site import Site
from perijove.hub.settings.subdomains import check_subdomain_host, idna_hook, label_of, legacy_hook, read_hook

NAMES = st.text(min_size=1, max_size=80).filter(lambda name: not any("\ud800" <= c <= "\udfff" for c in name))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("ada", "ada"),
        ("ada-2", "ada-2"),
        ("zoé", "xn--zo-cja"),
        ("李", "xn--7qv"),
    ],
)
def test_a_name_that_is_a_label_or_a_word_is_read_by_people(name: str, label: str) -> None:
    assert label_of(name) == label


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("ada@example.org", "u-adaexamp--"),
        ("a--b", "u-ab--"),
        ("ada_l", "u-adal--"),
        ("ada.l", "u-adal--"),
        ("-ada", "u-ada--"),
        ("123", "u-123--"),
        ("%", "u-x--"),
        ("xn--7qv", "u-xn7qv--"),
        ("a" * 64, "u-aaaaaaaa--"),
    ],
)
def test_any_other_name_gets_a_hash(name: str, start: str) -> None:
    label = label_of(name)
    assert label.startswith(start)
    assert len(label) == len(start) + 20


@given(NAMES, st.sampled_from(["user", "service"]))
def test_every_name_has_a_host(name: str, kind: Any) -> None:
    site = Site("/", "https://hub.example", idna_hook)
    assert site.host_of(kind, name).removesuffix(".hub.example").isascii()


@given(st.lists(NAMES | st.from_regex(r"[a-z0-9@_.-]{1,6}", fullmatch=True), min_size=2, max_size=30, unique=True))
def test_cve_2020_15110_no_two_names_share_a_host(names: list[str]) -> None:
    hosts = {idna_hook(name, "d", kind) for name in names for kind in ("user", "service")}
    assert len(hosts) == 2 * len(names)


def test_cve_2020_15110_an_encoded_name_is_nobody_elses() -> None:
    pairs = [("zoé", "xn--zo-cja"), ("a b", label_of("a b")), ("xn", "xn--service")]
    for one, other in pairs:
        assert label_of(one) != label_of(other)
    assert idna_hook("xn", "d", "service").startswith("u-xn--")


def test_the_first_form_of_jupyterhub() -> None:
    assert legacy_hook("ada.l", "d", "user") == "ada.l.d"
    assert legacy_hook("a_b@c", "d", "user") == "a_5fb_40c.d"
    assert legacy_hook("wiki", "d", "service") == "services.d"


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://hub.example", "https://hub.example"),
        ("HTTPS://Hub.Example:8443/", "https://hub.example:8443"),
        ("hub.example", "https://hub.example"),
        ("http://hub.localhost:8000", "http://hub.localhost:8000"),
    ],
)
def test_the_host_is_an_origin(given: str, origin: str) -> None:
    assert check_subdomain_host(given) == origin


@pytest.mark.parametrize(
    "given", ["https://hub.example/jh", "https://10.0.0.1", "https://[::1]", "ftp://hub", "https://"]
)
def test_what_is_no_origin_with_hosts_below_is_refused(given: str) -> None:
    with pytest.raises(TraitError):
        check_subdomain_host(given)


def test_a_hook_is_a_word_or_a_function() -> None:
    def named(name: str, domain: str, kind: str) -> str:
        return f"{kind}-{name}.{domain}"

    assert read_hook("idna") is idna_hook
    assert read_hook("legacy") is legacy_hook
    assert read_hook(named)("ada", "d", "user") == "user-ada.d"
    for wrong in ("other", 3, None):
        with pytest.raises(TraitError, match="idna"):
            read_hook(wrong)
