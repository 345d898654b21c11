"""The route table as text, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.saved import Saved, Unusable, read_table, write_table
from perijove.proxy.core.targets import Target, parse_target

TARGET = parse_target("http://127.0.0.1:1/base")
assert isinstance(TARGET, Target)
GOOD = {"version": 1, "host_routing": False, "routes": {"/a": {"target": "http://h", "data": {}, "last_activity": 5}}}


@given(
    st.dictionaries(
        st.sampled_from(["/", "/user/a", "/user/a%2Fb", "/user/100%25", "/user/%e5%90%8d", "/h.tld/x", "/USER"]),
        st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=3), st.booleans(), st.none())),
    ),
    st.booleans(),
)
def test_what_is_written_is_read(routes: dict[str, dict[str, object]], host_routing: bool) -> None:
    book = RouteBook(host_routing=host_routing)
    assert isinstance(TARGET, Target)
    for number, (path, data) in enumerate(routes.items()):
        book.put(book.key(path), TARGET, data, 100.75 + number)
    saved = read_table(write_table(book.table, book.activity), host_routing=host_routing, now=1000.0)
    assert isinstance(saved, Saved)
    assert {route.key: route for route in saved.routes} == {route.key: route for route in book.table}
    assert saved.activity == {route.key: float(int(book.activity.last(route.key) or 0)) for route in book.table}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        json.dumps(GOOD).encode()[:-9],
        json.dumps(GOOD | {"version": 2}).encode(),
        json.dumps(GOOD | {"host_routing": True}).encode(),
        json.dumps(GOOD | {"routes": []}).encode(),
        json.dumps(GOOD | {"routes": {"/a": None}}).encode(),
        json.dumps(GOOD | {"routes": {"/a/": {"target": "http://h", "data": {}}}}).encode(),
        json.dumps(GOOD | {"routes": {"/a": {"target": "ftp://h", "data": {}}}}).encode(),
        json.dumps(GOOD | {"routes": {"/a": {"target": "http://h", "data": []}}}).encode(),
        json.dumps(GOOD | {"routes": {"/a": {"target": 5, "data": {}}}}).encode(),
    ],
)
def test_what_is_no_table(text: bytes) -> None:
    assert isinstance(read_table(text, host_routing=False, now=1.0), Unusable)


@pytest.mark.parametrize(
    ("seen", "read"), [(5, 5.0), (11, 10.0), (-1, 10.0), ("x", 10.0), (None, 10.0), (10**40, 10.0)]
)
def test_times_that_cannot_be(seen: object, read: float) -> None:
    routes = {"/a": {"target": "http://h", "data": {}, "last_activity": seen}}
    saved = read_table(json.dumps(GOOD | {"routes": routes}).encode(), host_routing=False, now=10.0)
    assert isinstance(saved, Saved)
    assert saved.activity == {"/a": read}
