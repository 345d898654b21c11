from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import cast

from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine

from perijove.singleuser.log_privacy import hide_queries, without_query


def test_without_query() -> None:
    assert without_query("GET /user/a/lab?token=abc&x=%20 (127.0.0.1)") == "GET /user/a/lab?[hidden] (127.0.0.1)"
    assert without_query("Is it there? No.") == "Is it there? No."
    assert without_query(403) == 403


def test_request_in_a_record() -> None:
    line = RequestStartLine("GET", "/x?code=abc", "HTTP/1.1")
    connection = cast("HTTPConnection", SimpleNamespace(context=SimpleNamespace(remote_ip="::1", protocol="http")))
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "h"}), connection=connection)
    arguments = ("GET /x?code=abc", request)
    record = logging.LogRecord("tornado.application", 40, "", 0, "Uncaught exception %s\n%r", arguments, None)
    assert hide_queries(record)
    assert "abc" not in record.getMessage()
    assert "/x?[hidden]" in record.getMessage()
