from __future__ import annotations

from perijove.hub.core.paging import Page, Window
from perijove.hub.testing.running import RunningHub
from perijove.hub.web.pages.lists import DEFAULT_LIMIT, MAX_LIMIT, address, paging, window_of


def test_a_page_is_of_a_usual_length_and_never_too_long() -> None:
    assert window_of(10, None) == Window(10, DEFAULT_LIMIT)
    assert window_of(-1, 1000) == Window(0, MAX_LIMIT)


def test_an_address_says_what_there_is_to_say(hub: RunningHub) -> None:
    assert address(hub.state, "admin") == f"{hub.prefix}admin"
    assert address(hub.state, "admin", {"a": "", "b": None, "c": "x y"}) == f"{hub.prefix}admin?c=x+y"


def test_the_pages_beside_this_one_are_known(hub: RunningHub) -> None:
    page = Page([*range(50)], Window(50, 50), 120)
    shown = paging(hub.state, page, "token", {"applications": 7})
    assert (shown["first"], shown["last"], shown["total"]) == (51, 100, 120)
    assert shown["next_url"] == f"{hub.prefix}token?offset=100&applications=7"
    assert shown["previous_url"] == f"{hub.prefix}token?offset=0&applications=7"
    only = paging(hub.state, Page([1], Window(0, 50), 1), "token", {})
    assert (only["next_url"], only["previous_url"]) == ("", "")


def test_several_lists_on_a_page_go_by_parameters_of_their_own(hub: RunningHub) -> None:
    shown = paging(hub.state, Page([*range(20)], Window(0, 20), 50), "token", {"offset": 5}, key="applications")
    assert shown["next_url"] == f"{hub.prefix}token?applications=20&limit=20&offset=5"
