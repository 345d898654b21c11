"""The connection of a caller of the admin API: one request at a time, bounded, answered at once or when it is due."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import cast

from perijove.proxy.admin.api import AdminAnswer, AdminApi, AdminRequest, AdminWait
from perijove.proxy.core.bodies import BodyReader, ChunkedBody, LengthBody, Progress
from perijove.proxy.core.errors import render_answer
from perijove.proxy.core.heads import CHUNKED, MAX_HEAD, Refusal, RequestHead, has_bare_line_feed, parse_request

log = logging.getLogger("perijove.proxy")

IDLE_SECONDS = 75.0


class AdminConnection(asyncio.Protocol):
    """One connection to the admin API."""

    def __init__(self, api: AdminApi, connections: set[asyncio.Transport]) -> None:
        self._api = api
        self._connections = connections
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._pending = b""
        self._head: RequestHead | None = None
        self._body: BodyReader | None = None
        self._content: list[bytes] = []
        self._size = 0
        self._limit = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = None
        self._wait: tuple[AdminWait, RequestHead] | None = None
        self._blocked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self._transport)
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._connections.discard(self._transport)
        self._stop_waiting()
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """The caller does not read its answers: take no more requests."""
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The caller reads again."""
        self._blocked = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._take(b"")

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._wait is not None:
            self._transport.pause_reading()
        self._take(data)

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._transport.abort)

    def _take(self, data: bytes) -> None:
        data = self._pending + data
        self._pending = b""
        while data and not self._transport.is_closing():
            if self._blocked or self._wait is not None:
                self._pending = data
                return
            head, body = self._head, self._body
            rest = self._take_head(data) if head is None or body is None else self._take_body(head, body, data)
            if rest is None:
                return
            data = rest

    def _take_head(self, data: bytes) -> bytes | None:
        """Read a head; return what lies behind it, None if it is not whole."""
        end = data.find(b"\r\n\r\n")
        if (end if end >= 0 else len(data)) > MAX_HEAD:
            self._answer(AdminAnswer(431), close=True)
            return None
        if end < 0:
            if has_bare_line_feed(data):
                self._answer(AdminAnswer(400), close=True)
            self._pending = data
            return None
        head = parse_request(data, 0, end + 4)
        if isinstance(head, Refusal):
            self._answer(AdminAnswer(head.status, {"message": head.reason}), close=True)
            return None
        path, _, _ = head.target.decode("latin-1").partition("?")
        self._limit = self._api.body_limit(head.method.decode(), path, _authorization(head))
        if head.body > self._limit:
            self._answer(AdminAnswer(413, {"message": "the body is too large"}), close=True)
            return None
        self._head = head
        self._content, self._size = [], 0
        if head.body == CHUNKED:
            self._body = ChunkedBody(unwrap=True)
        elif head.body:
            self._body = LengthBody(head.body)
        else:
            self._finish(head)
            return data[end + 4 :]
        if any(name.lower() == b"expect" for name, _ in head.fields):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return data[end + 4 :]

    def _take_body(self, head: RequestHead, body: BodyReader, data: bytes) -> bytes | None:
        """Read a part of a body; return what lies behind it, None if it is not whole."""
        part, used, progress = body.feed(data)
        self._content.append(part)
        self._size += len(part)
        if progress is Progress.BAD or self._size > self._limit:
            self._answer(AdminAnswer(400 if progress is Progress.BAD else 413), close=True)
            return None
        if progress is Progress.MORE:
            return None
        self._finish(head)
        return data[used:]

    def _finish(self, head: RequestHead) -> None:
        path, _, query = head.target.decode("latin-1").partition("?")
        request = AdminRequest(head.method.decode(), path, query, _authorization(head), b"".join(self._content))
        self._head, self._body, self._content = None, None, []
        answer = self._api.handle(request, time.time())
        if isinstance(answer, AdminWait):
            self._wait = answer, head
            self._api.waiting.add(self._look)
            self._due = asyncio.get_running_loop().call_later(answer.seconds, self._end_wait)
            self._restart_timer()
        else:
            self._give(answer, head)

    def _look(self) -> None:
        """Give the answer that waits, if it is due."""
        if self._wait is not None and self._wait[0].ready():
            self._end_wait()

    def _end_wait(self) -> None:
        if self._wait is None:
            return
        wait, head = self._wait
        self._stop_waiting()
        self._give(wait.answer(), head)
        if not self._blocked and not self._transport.is_closing():
            self._transport.resume_reading()
            self._take(b"")

    def _stop_waiting(self) -> None:
        self._wait = None
        self._api.waiting.discard(self._look)
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _give(self, answer: AdminAnswer, head: RequestHead) -> None:
        if self._api.metrics is not None:
            listing = head.path.rstrip("/") == "/api/routes"
            self._api.metrics.asked_api(head.method.decode(), answer.status, listing=listing)
        if answer.event:
            log.info("%s", answer.event)
        if answer.status >= 400:
            log.debug("admin API answered %d", answer.status)
        self._answer(answer, close=not head.keep_alive, head_only=head.method == b"HEAD")

    def _answer(self, answer: AdminAnswer, *, close: bool, head_only: bool = False) -> None:
        content, content_type = answer.content, b""
        body = b""
        if isinstance(content, str):
            body, content_type = content.encode("utf-8", "replace"), b"text/plain; charset=utf-8"
        elif content is not None:
            body, content_type = json.dumps(content).encode(), b"application/json"
        self._transport.write(render_answer(answer.status, content_type, body, head_only=head_only, close=close))
        self._restart_timer()
        if close:
            self._transport.close()


def _authorization(head: RequestHead) -> str:
    return next((value.decode("latin-1") for name, value in head.fields if name.lower() == b"authorization"), "")
