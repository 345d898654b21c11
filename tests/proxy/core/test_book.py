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


def test_a_whole_table_takes_the_place_of_another_at_once() -> None:
    book = RouteBook(epoch="now")
    book.put("/same", A, {}, 10.0)
    book.put("/moved", A, {}, 10.0)
    book.put("/gone", A, {}, 10.0)
    seen: list[tuple[int, set[str]]] = []
    book.watchers.add(lambda change: seen.append((change.number, {route.key for route in book.table})))
    change = book.replace([book.route("/same", A, {}), book.route("/moved", B, {}), book.route("/new", A, {})], 20.0)
    assert change is not None
    assert ({route.key for route in change.put}, change.dropped) == ({"/moved", "/new"}, ("/gone",))
    assert seen == [(4, {"/same", "/moved", "/new"})]
    last = {key: book.activity.last(key) for key in ("/same", "/moved", "/new", "/gone")}
    assert last == {"/same": 10.0, "/moved": 20.0, "/new": 20.0, "/gone": None}


def test_what_changes_nothing_is_no_change() -> None:
    book = RouteBook(epoch="now")
    book.put("/a", A, {"user": "a"}, 10.0)
    table = book.table
    assert book.replace(list(table), 20.0) is None
    assert not book.put("/a", A, {"user": "a"}, 20.0)
    assert book.change((), ["/b"], 20.0) is None
    assert book.table is table
    assert book.changes.last == 1
    book.put("/a", A, {"user": "b"}, 20.0)
    assert book.changes.last == 2


def test_a_route_that_is_both_put_and_dropped_stays() -> None:
    book = RouteBook()
    book.put("/a", A, {}, 10.0)
    assert book.change([book.route("/a", A, {})], ["/a"], 20.0) is None
    change = book.change([book.route("/a", B, {})], ["/a"], 20.0)
    assert change is not None
    assert change.dropped == ()
    assert book.table.get("/a") == book.route("/a", B, {})


def test_a_listing_is_sorted() -> None:
    book = RouteBook()
    names = [f"/user/u{number:03}" for number in range(100)]
    book.replace([book.route(name, A, {}) for name in reversed(names)], 1.0)
    assert list(book.listing()) == names


def test_with_host_routing_the_host_is_named() -> None:
    book = RouteBook(host_routing=True)
    book.put(book.key("/Hub.TLD/user/a"), A, {"host": "made up"}, 10.0)
    book.put("/", A, {}, 10.0)
    assert {key: route.get("host") for key, route in book.listing().items()} == {
        "/hub.tld/user/a": "hub.tld",
        "/": None,
    }
