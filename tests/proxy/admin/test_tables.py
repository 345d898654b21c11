"""Many routes in one body."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from perijove.proxy.admin.tables import Asked, BadTable, change_as_json, key_of, read_routes
from perijove.proxy.core.book import RouteBook
from perijove.proxy.core.targets import Target, parse_target

TARGET = "http://127.0.0.1:8081"


def read(book: RouteBook, table: object, *, may_drop: bool = False) -> Asked | BadTable:
    return read_routes(book, json.dumps(table).encode(), may_drop=may_drop)


@pytest.mark.parametrize("name", ["alice", "a@b", "a b", "jürgen", "100%", "a+b", "東京"])
def test_names_are_read_as_in_a_path_and_as_they_are_listed(name: str) -> None:
    book = RouteBook()
    in_path = book.key(f"/user/{quote(name)}/")
    for written in (f"/user/{quote(name)}/", f"/user/{quote(name, safe='@~')}", f"/user/{name}", f"/user/{name}/"):
        assert key_of(book, written) == in_path


def test_a_target_that_stays_is_not_read_again() -> None:
    book = RouteBook()
    target = parse_target(TARGET)
    assert isinstance(target, Target)
    book.put("/a", target, {}, 1.0)
    asked = read(book, {"/a": {"target": TARGET, "user": "a"}})
    assert isinstance(asked, Asked)
    assert asked.put[0].target is target
    assert asked.put[0].data == {"user": "a"}


def test_the_first_fault_is_named() -> None:
    book = RouteBook()
    table = {"/fine": {"target": TARGET}, "/ba\nd": {"target": "ftp://x"}}
    refused = read(book, table)
    assert isinstance(refused, BadTable)
    assert refused.reason.startswith("/ba\\nd: the target must start with")
    assert read(book, {"/a": {"target": TARGET}, "/a/": {"target": TARGET}}) == BadTable("/a/ is there twice")
    assert read(book, {"/a": None, "/a/": None}, may_drop=True) == BadTable("/a/ is there twice")
    assert isinstance(read(book, {"/a": None}), BadTable)
    assert read(book, {"/a/": None}, may_drop=True) == Asked((), ("/a",))


def test_a_change_is_told_by_display_names() -> None:
    book = RouteBook()
    asked = read(book, {"/user/a%40b": {"target": TARGET, "user": "a@b"}})
    assert isinstance(asked, Asked)
    book.replace(asked.put, 1.0)
    change = book.replace((), 2.0)
    assert change is not None
    assert change_as_json(change) == {"id": 2, "put": {}, "deleted": ["/user/a@b"]}
    first = book.changes.since("", 0)
    assert first is not None
    assert change_as_json(first[0])["put"] == {"/user/a@b": {"user": "a@b", "target": TARGET}}
