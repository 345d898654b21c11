from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.client.cookies import DAY, MAX_LOGIN_AGE, Cookies, derive_key, sign, unsign
from perijove.client.environment import ServiceEnvironment
from perijove.client.messages import WebRequest

KEY = b"k" * 32
PAGE = WebRequest("GET", "/", {"host": "h"})


@given(st.text(), st.text())
def test_what_was_signed_is_read_again(name: str, value: str) -> None:
    assert unsign(KEY, name, sign(KEY, name, value, 100.9), 101, 60) == value


def test_only_what_we_signed_for_this_name_and_not_long_ago() -> None:
    text = sign(KEY, "name", "value", 1000)
    assert unsign(KEY, "name", text, 1059, 60) == "value"
    for key, name, now in ((KEY, "name", 1060), (KEY, "other", 1000), (b"x" * 32, "name", 1000), (KEY, "name", 0)):
        assert unsign(key, name, text, now, 60) == ""
    assert unsign(KEY, "name", text, 900, 60) == "value", "clocks of two machines differ a little"


@given(st.text())
def test_what_others_made_is_nothing(text: str) -> None:
    assert unsign(KEY, "name", text, 0, 60) == ""


@pytest.mark.parametrize("change", [0, 3, -1])
def test_a_changed_character_is_noticed(change: int) -> None:
    text = sign(KEY, "name", "value", 1000)
    changed = list(text)
    changed[change] = "A" if changed[change] != "A" else "B"
    assert unsign(KEY, "name", "".join(changed), 1000, 60) == ""


def test_keys_are_for_one_purpose() -> None:
    assert derive_key("token", "a") == derive_key("token", "a")
    assert len({derive_key("token", "a"), derive_key("token", "b"), derive_key("other", "a")}) == 3


def test_names_and_attributes(environment: ServiceEnvironment) -> None:
    cookies = Cookies(environment)
    assert (cookies.login_name, cookies.state_prefix) == ("service-whoami", "service-whoami-oauth-state-")
    plain = cookies.make(PAGE, "n", "v", now=0, max_age=60)
    assert (plain.path, plain.samesite, plain.secure, plain.max_age) == ("/services/whoami/", "Lax", False, 60)
    assert cookies.make(replace(PAGE, scheme="https"), "n", "v", now=0, max_age=1).secure
    assert (cookies.remove(PAGE, "n").value, cookies.remove(PAGE, "n").max_age) == ("", 0)


def test_what_the_operator_wants(environment: ServiceEnvironment) -> None:
    options = {"samesite": "Strict", "domain": "example", "secure": True, "expires_days": 1, "httponly": False}
    cookies = Cookies(replace(environment, cookie_options=options))
    cookie = cookies.make(PAGE, "n", "v", now=0, max_age=60)
    assert (cookie.samesite, cookie.domain, cookie.secure) == ("Strict", "example", True)
    assert "HttpOnly" in cookie.header(), "no option opens a login to scripts"
    assert (cookies.login_age(), cookies.login_age(60), cookies.login_age(10 * DAY)) == (DAY, 60, DAY)
    assert Cookies(environment).login_age() == MAX_LOGIN_AGE


def test_the_host_prefix_and_what_browsers_demand_with_it(environment: ServiceEnvironment) -> None:
    cookies = Cookies(replace(environment, cookie_host_prefix=True, cookie_options={"domain": "example"}))
    cookie = cookies.make(PAGE, cookies.login_name, "v", now=0, max_age=60)
    assert (cookie.name, cookie.path, cookie.secure, cookie.domain) == ("__Host-service-whoami", "/", True, "")


def test_a_planted_cookie_does_not_hide_ours(environment: ServiceEnvironment) -> None:
    cookies = Cookies(environment)
    own = cookies.make(PAGE, "n", "ours", now=0, max_age=60).value
    request = WebRequest("GET", "/", {"cookie": f"n=planted; n={own}"})
    assert cookies.read(request, "n", 1, 60) == "ours"
    assert cookies.read(WebRequest("GET", "/", {"cookie": "n=planted"}), "n", 1, 60) == ""
