"""Routes and their activity, changed together."""

from __future__ import annotations

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.targets import Target, parse_target


def target(url: str) -> Target:
    parsed = parse_target(url)
    assert isinstance(parsed, Target)
    return parsed


A, B = target("http://127.0.0.1:1"), target("http://127.0.0.1:2")


def test_adding_again_with_the_same_target_keeps_the_activity() -> None:
    book = RouteBook()
    assert book.put("/a", A, {"user": "a"}, 10.0)
    assert not book.put("/a", A, {"user": "b"}, 20.0)
    assert book.activity.last("/a") == 10.0
    assert book.listing()["/a"]["user"] == "b"
    assert book.put("/a", B, {}, 30.0)
    assert book.activity.last("/a") == 30.0


def test_a_listing_has_data_target_and_activity() -> None:
    book = RouteBook()
    book.put(book.key("/user/a%40b/"), A, {"user": "a@b", "jupyterhub": True}, 0.5)
    assert book.listing() == {
        "/user/a@b": {
            "user": "a@b",
            "jupyterhub": True,
            "target": "http://127.0.0.1:1",
            "last_activity": "1970-01-01T00:00:00.500Z",
        }
    }


def test_only_inactive_routes_are_listed_on_request() -> None:
    book = RouteBook()
    book.put("/old", A, {}, 10.0)
    book.put("/new", A, {}, 20.0)
    assert list(book.listing(15.0)) == ["/old"]
    assert list(book.listing(20.0)) == ["/old"]


def test_removing() -> None:
    book = RouteBook()
    book.put("/a", A, {}, 10.0)
    before = book.table
    assert book.remove("/a")
    assert not book.remove("/a")
    assert book.listing() == {}
    assert before.get("/a") is not None
    assert book.activity.last("/a") is None


def test_host_routing_makes_keys_by_host() -> None:
    book = RouteBook(host_routing=True)
    assert book.key("/Host.TLD/User/a") == "/host.tld/User/a"
