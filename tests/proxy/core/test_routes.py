"""Route look-up, compared with a scan that tries every route."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.core.routes import Route, RouteTable, canonical_key, canonical_path, display_name
from perijove.proxy.core.targets import Target, parse_target


def target(url: str = "http://127.0.0.1:1") -> Target:
    parsed = parse_target(url)
    assert isinstance(parsed, Target)
    return parsed


def table(*paths: str, host_routing: bool = False) -> RouteTable:
    result = RouteTable(host_routing=host_routing)
    for path in paths:
        result = result.changed((Route(canonical_key(path, host_routing), target(), host_routing=host_routing),))
    return result


def found(routes: RouteTable, path: str, host: str = "") -> str | None:
    route = routes.find(path, host)
    return None if route is None else route.key


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/user/a", "/user/a"),
        ("/user/a/", "/user/a"),
        ("/user/a/lab/tree", "/user/a"),
        ("/user/a/named", "/user/a/named"),
        ("/user/a/named/api", "/user/a/named"),
        ("/user/ab", "/"),
        ("/user", "/"),
        ("/", "/"),
        ("/hub/login", "/hub"),
        ("/hubble", "/"),
        ("//user/a", "/"),
        ("*", "/"),
    ],
)
def test_the_longest_prefix_by_whole_segments_wins(path: str, key: str) -> None:
    assert found(table("/", "/user/a", "/user/a/named", "/hub/"), path) == key


def test_without_a_matching_route_there_is_none() -> None:
    assert found(table("/user/a"), "/user/b") is None
    assert found(RouteTable(), "/") is None


@pytest.mark.parametrize("asked", ["/user/a@b/x", "/user/a%40b/x", "/user/%61%40b/x"])
@pytest.mark.parametrize("added", ["/user/a@b", "/user/a%40b/"])
def test_escapes_do_not_matter(added: str, asked: str) -> None:
    assert found(table(added), asked) == "/user/a@b"


def test_an_escaped_slash_separates_nothing() -> None:
    assert found(table("/user/a"), "/user/a%2Fb") is None
    assert found(table("/user/a%2fb"), "/user/a%2Fb/x") == "/user/a%2Fb"
    assert found(table("/user/a%252Fb"), "/user/a%2Fb/x") is None


def test_host_routing_takes_the_host_first() -> None:
    routes = table("/", "/Alice.Hub.tld/user/alice", "/hub.tld", host_routing=True)
    assert found(routes, "/user/alice/lab", "alice.hub.tld") == "/alice.hub.tld/user/alice"
    assert found(routes, "/user/alice/lab", "hub.tld") == "/hub.tld"
    assert found(routes, "/user/alice/lab", "other.tld") == "/"


def test_a_change_makes_a_new_table() -> None:
    before = table("/a")
    after = before.changed((Route("/b", target()),), ("/a",))
    assert [route.key for route in before] == ["/a"]
    assert [route.key for route in after] == ["/b"]
    assert len(after) == 1
    assert after.get("/a") is None
    assert found(after.changed((), ("/b",)), "/b") is None
    assert repr(after) == "<RouteTable of 1>"


@pytest.mark.parametrize("name", ["alice", "a@b", "a b", "jürgen", "100%", "a+b", "x~y"])
def test_names_are_listed_so_that_quoting_them_gives_the_route_back(name: str) -> None:
    key = canonical_key("/user/" + quote(name, safe="@~"))
    assert display_name(key) == f"/user/{name}"
    assert canonical_key(quote(display_name(key), safe="@/~")) == key


def test_bytes_that_are_no_utf8_are_listed_all_the_same() -> None:
    assert display_name(canonical_key("/user/%ff")) == "/user/ÿ"


def test_what_a_route_says_of_itself() -> None:
    assert Route("/hub", target(), {"hub": True}).is_hub
    assert not Route("/hub", target(), {"hub": "yes"}).is_hub
    assert Route("/user/a", target(), {"user": "a"}).is_user
    assert Route("/user/a", target()).prefix == "/user/a"
    assert Route("/h.tld/user/a", target(), host_routing=True).prefix == "/user/a"
    assert Route("/h.tld", target(), host_routing=True).prefix == "/"
    assert Route("/", target(), host_routing=True).prefix == "/"


segments = st.sampled_from(["a", "b", "ab", "a%40b", "a@b", "%2F", "%25", "user", "é".encode().decode("latin-1")])
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(paths, max_size=12), st.lists(paths, max_size=4), paths, st.booleans())
def test_look_up_equals_a_scan_of_all_routes(added: list[str], removed: list[str], path: str, slash: bool) -> None:
    routes = table(*added)
    for each in removed:
        routes = routes.changed((), (canonical_key(each),))
    asked = path + "/" if slash else path
    keys = {canonical_key(each) for each in added} - {canonical_key(each) for each in removed}
    whole = canonical_path(asked).rstrip("/") + "/"
    matching = [key for key in keys if key == "/" or whole.startswith(key + "/")]
    assert found(routes, asked) == (max(matching, key=len) if matching else None)


changes = st.lists(
    st.tuples(st.lists(paths, max_size=4), st.lists(paths, max_size=3)),
    max_size=8,
)


@given(changes, paths)
def test_each_table_in_a_row_of_changes_stays_what_it_was(steps: list[tuple[list[str], list[str]]], path: str) -> None:
    tables, models = [RouteTable()], [dict[str, Route]()]
    for number, (put, drop) in enumerate(steps):
        routes = [Route(canonical_key(each), target(), {"step": number}) for each in put]
        tables.append(tables[-1].changed(routes, [canonical_key(each) for each in drop]))
        model = {key: route for key, route in models[-1].items() if key not in {canonical_key(each) for each in drop}}
        models.append(model | {route.key: route for route in routes})
    for routes_then, model in zip(tables, models, strict=True):
        assert {route.key: route for route in routes_then} == model
        assert len(routes_then) == len(model)
        fresh = RouteTable(model.values())
        assert routes_then.find(path) == fresh.find(path)
        assert all(routes_then.get(key) is route for key, route in model.items())


def test_a_change_among_many_routes_copies_next_to_nothing() -> None:
    many = RouteTable(Route(f"/user/u{number}", target()) for number in range(10_000))
    after = many.changed((Route("/user/new", target()),))
    assert sum(old is not new for old, new in zip(many._shards, after._shards, strict=True)) == 1
    assert max(len(shard) for shard in after._shards) < 100
    assert len(after) == 10_001
    assert many.get("/user/new") is None
