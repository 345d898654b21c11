from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perijove.hub.core.redirects import MAX_TARGET_LENGTH, local_target, outside_target

Browser = Callable[[str, str, str], tuple[str, str]]

ORIGIN = "https://hub.example"
PIECES = ["/", "//", "\\", ".", "..", "%2e", "%2E", "%2f", "%5c", "%252e", "@", ":", "?", "#", "&", "=", ";", "%", "é"]
PIECES += ["\t", "\n", "\r", "\0", " ", "\x7f", "\u2028", "\ud800", "[", "]", "\uff0f", "\u3002"]
PIECES += ["https:", "http:", "HTTPS://", "javascript:", "hub.example", "evil.example", "jupyter", "hub", "user/alice"]
TARGETS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40)
BASE_URLS = st.sampled_from(["/", "/jupyter/", "/a/b/"])


def local(target: str | None, base_url: str = "/", origin: str = ORIGIN) -> str:
    return local_target(target, base_url=base_url, default=f"{base_url}hub/home", origin=origin)


def test_the_judge_reads_urls_as_browsers_do(browser: Browser) -> None:
    # Worked out by hand from the URL Standard.
    for location, expected in {
        "/a/b": (ORIGIN, "/a/b"),
        "b?c=/d": (ORIGIN, "/hub/b"),
        "//evil.example/a": ("https://evil.example", "/a"),
        "/\\evil.example": ("https://evil.example", "/"),
        "\\\\evil.example": ("https://evil.example", "/"),
        "/\t/evil.example": ("https://evil.example", "/"),
        " \n//evil.example": ("https://evil.example", "/"),
        "///evil.example": ("https://evil.example", "/"),
        "http:evil.example": ("http://evil.example", "/"),
        "https:evil": (ORIGIN, "/hub/evil"),
        "https:/evil": (ORIGIN, "/evil"),
        "https://hub.example@evil.example/": ("https://evil.example", "/"),
        "javascript:alert(1)": ("javascript:", "alert(1)"),
        "/a/%2E./b/.": (ORIGIN, "/b/"),
        "/a/..": (ORIGIN, "/"),
        "/%2f/a": (ORIGIN, "/%2f/a"),
    }.items():
        assert browser(location, ORIGIN, "/hub/login") == expected, location


@given(TARGETS, BASE_URLS, st.sampled_from(["", ORIGIN]))
@example("/jupyter/%2e%2e/user/bob", "/jupyter/", "")
@example("https://hub.example/jupyter/..", "/jupyter/", ORIGIN)
@example("/jupyter/%2e%2e%2f", "/jupyter/", "")
def test_whatever_is_asked_for_the_browser_stays_with_us(
    browser: Browser, target: str, base_url: str, origin: str
) -> None:
    answer = local(target, base_url, origin)
    came_to, path = browser(answer, ORIGIN, f"{base_url}hub/login")
    assert came_to == ORIGIN
    assert f"{path}/".startswith(base_url)
    assert path.startswith("/")
    assert not path.startswith("//")
    answer.encode("utf-8")


@given(TARGETS, BASE_URLS)
def test_an_answer_is_accepted_again_unchanged(target: str, base_url: str) -> None:
    once = local(target, base_url)
    assert local(once, base_url) == once


SEGMENTS = st.text(st.sampled_from("abcz019-_~.%20"), min_size=1, max_size=8).filter(
    lambda s: s.strip(".") and "%" not in s
)


@given(st.lists(SEGMENTS, max_size=5), BASE_URLS, st.sampled_from(["", "?a=b&c=//d", "?next=https://x#y", "#top"]))
def test_what_lies_under_the_base_url_is_returned_as_it_is(segments: list[str], base_url: str, tail: str) -> None:
    target = base_url + "/".join(segments) + tail
    assert local(target, base_url) == target
    assert local(ORIGIN + target, base_url) == target


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "////evil.example/a",
        "https://evil.example",
        "https:///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        " https://evil.example",
        "https:evil.example",
        "http:\\\\evil.example",
        "https://hub.example@evil.example/",
        "https://hub.example.evil.example/",
        "https://hub.example//evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/%2fevil.example",
        "/%5cevil.example",
        "http://[evil",
    ],
)
def test_cve_2019_10255_a_redirect_never_leads_to_another_host(target: str) -> None:
    assert local(target) == "/hub/home"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/other/",
        "/jupyterx",
        "/jupyter/../other",
        "/jupyter/..",
        "/jupyter/%2e%2e/other",
        "/jupyter/.%2E/other",
        "/jupyter/a/%2e%2e%2f%2e%2e/other",
        "/jupyter/..%5cother",
        "/jupyter/./hub",
        "https://hub.example/other/",
        "http://hub.example/jupyter/",
        "https://hub.example:444/jupyter/",
        "https://hub.example",
    ],
)
def test_cve_2026_33709_a_redirect_never_leaves_the_base_url_by_a_detour(target: str) -> None:
    assert local(target, "/jupyter/") == "/jupyter/hub/home"


@pytest.mark.parametrize(
    "target", [None, "", "lab", "./lab", "?a", "#a", "/a b", "/a\nb: c", "/a\x7f", "/a\ud800", "/a\udfff", "/a\\b"]
)
def test_what_is_no_path_leads_to_the_default(target: str | None) -> None:
    assert local(target) == "/hub/home"


def test_a_target_may_be_as_long_as_the_limit_and_no_longer() -> None:
    longest = "/" + "a" * (MAX_TARGET_LENGTH - 1)
    assert local(longest) == longest
    assert local(longest + "a") == "/hub/home"


def test_the_base_url_is_reached_without_its_last_slash() -> None:
    assert local("/jupyter", "/jupyter/") == "/jupyter"
    assert local("/jupyter?a=b", "/jupyter/") == "/jupyter?a=b"


def test_a_full_url_of_our_own_origin_becomes_a_path() -> None:
    assert local("https://hub.example/user/a/lab?x=1#y") == "/user/a/lab?x=1#y"
    assert local("HTTPS://HUB.example/user/a") == "/user/a"
    assert local("https://hub.example/user/a", origin="") == "/hub/home"


@pytest.mark.parametrize("host", ["ada.hub.example", "ADA.hub.example", "a.b.hub.example"])
def test_a_full_url_of_a_users_host_becomes_a_path(host: str) -> None:
    target = f"https://{host}/user/ada/lab?x=1"
    assert local_target(target, base_url="/", default="no", origin=ORIGIN, hosts=True) == "/user/ada/lab?x=1"
    assert local_target(target, base_url="/", default="no", origin=ORIGIN) == "no"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "https://evilhub.example/",
        "https://ada.hub.example.evil.example/",
        "http://ada.hub.example/",
        "https://ada.hub.example:444/",
        "https://evil.example\\.hub.example/",
        "https://evil.example#.hub.example/",
        "https://evil.example?.hub.example/",
        "https://evil.example/.hub.example/",
        "https://evil.example@.hub.example/",
        "https://x@evil.example:.hub.example/",
        "https://ada.hub.example@evil.example/",
        "https://.hub.example/",
        "https://%2eevil.hub.example/",
        "https://a\t.hub.example/",
        "//ada.hub.example/",
        "https:ada.hub.example/",
        "https://ada.hub.example//evil.example",
        "https://ada.hub.example/%2f%2fevil.example",
    ],
)
def test_cve_2026_33709_with_hosts_for_users_no_other_host_is_reached(browser: Browser, target: str) -> None:
    answer = local_target(target, base_url="/", default="/hub/home", origin=ORIGIN, hosts=True)
    came_to, _ = browser(answer, ORIGIN, "/hub/login")
    assert came_to == ORIGIN


@given(TARGETS, BASE_URLS)
def test_with_hosts_too_the_browser_stays_with_us(browser: Browser, target: str, base_url: str) -> None:
    answer = local_target(target, base_url=base_url, default=f"{base_url}hub/home", origin=ORIGIN, hosts=True)
    came_to, path = browser(answer, ORIGIN, f"{base_url}hub/login")
    assert came_to == ORIGIN
    assert f"{path}/".startswith(base_url)


@pytest.mark.parametrize("target", ["https://idp.example/a?b=c#d", "http://127.0.0.1:8000/", "HTTPS://idp.example"])
def test_plug_ins_lead_to_full_urls(target: str) -> None:
    assert outside_target(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/path",
        "//idp.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://idp.example/",
        "https:idp.example",
        "https:///x",
        "https://user:s3cret@idp.example/",
        "https://idp.example\\@evil.example/",
        "https://idp.example/\r\nSet-Cookie: a=b",
        "https://idp.example/ x",
        "https://[idp.example/",
    ],
)
def test_plug_ins_lead_nowhere_else(target: str) -> None:
    with pytest.raises(ValueError) as told:
        outside_target(target)
    assert "s3cret" not in str(told.value)
