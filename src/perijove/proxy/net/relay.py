"""Carrying one exchange: from the client's request to the target and back.

The relay acts; what it does at each event is decided by the table in ``core/exchange.py``.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Protocol

from perijove.proxy.core.errors import Fault, html_page, json_page, render_answer, wants_json
from perijove.proxy.core.exchange import TRANSITIONS, Action, Event, State, idle_limit, may_retry
from perijove.proxy.core.forwarding import Peer
from perijove.proxy.core.headers import relocated, render_interim, render_request, render_response, render_switch
from perijove.proxy.core.heads import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from perijove.proxy.core.rewriting import NO_REWRITING
from perijove.proxy.core.routes import Route
from perijove.proxy.core.targets import Endpoint, Target
from perijove.proxy.core.text import printable
from perijove.proxy.net.context import Context
from perijove.proxy.net.errorpages import Page
from perijove.proxy.net.logs import log
from perijove.proxy.net.observer import Observation, Observer
from perijove.proxy.net.sockets import unsent
from perijove.proxy.net.upstream import UpstreamConnection, open_upstream

# Stands where no route was found; nothing is ever sent there.
NO_ROUTE = Route("", Target("-", Endpoint(False, "", 0), b"", b""))

# Why the client is not read; it is read when no reason is left.
HOLD_PENDING = 1
HOLD_CONNECTING = 2
HOLD_UPSTREAM = 4


class RelayClient(Protocol):
    """What a relay needs of its client."""

    deadline: float
    blocked: bool
    peer: Peer | None
    address: str

    def write(self, data: bytes) -> None:
        """Send bytes of the answer."""

    def hold(self, reason: int) -> None:
        """Stop reading the client."""

    def release(self, reason: int) -> None:
        """Read on, if nothing else holds."""

    def exchange_over(self, *, close: bool) -> None:
        """The answer is written: take the next request, or close."""

    def abort(self) -> None:
        """Cut the connection."""

    def unsent(self) -> int:
        """Return how many bytes the client has still to take."""

    def open_tunnel(self, upstream: asyncio.Transport, head: bytes, rest: bytes, relay: Relay) -> None:
        """Become one end of a tunnel: *head* and *rest* go to the client first; *relay* is told of its end."""


class Relay:
    """One exchange under way; the sink of its upstream connection."""

    __slots__ = (
        "_client",
        "_close",
        "_connecting",
        "_context",
        "_early",
        "_good",
        "_observer",
        "_paging",
        "_retried",
        "_route",
        "_seen",
        "_state",
        "_unsent",
        "_upstream",
        "head",
        "method",
        "request_id",
        "unwrap_chunks",
    )

    def __init__(
        self,
        context: Context,
        client: RelayClient,
        head: RequestHead,
        request_id: bytes = b"",
        seen: Observation | None = None,
    ) -> None:
        """Make the relay of a request; one under way already has its id and, if observed, is *seen*."""
        self.head = head
        self.method = head.method
        self.unwrap_chunks = not head.http11
        self.request_id = request_id or head.request_id or context.new_request_id()
        self._context = context
        self._client = client
        self._route: Route = NO_ROUTE
        self._state = State.SENDING if head.body else State.WAITING
        self._upstream: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._paging: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._retried = False
        self._good = False
        self._close = not head.keep_alive or bool(head.upgrade)
        self._unsent = (0, 0)
        self._observer: Observer | None = context.observer
        self._seen = seen
        if self._observer is not None and seen is None:
            self._seen = self._observer.began(client.address, upgrade=bool(head.upgrade))

    def __repr__(self) -> str:
        return f"<Relay {self.request_id.decode()}: {self._state.value}>"

    def _step(self, event: Event) -> Action:
        self._state, action = TRANSITIONS[self._state, event]
        return action

    def begin(self) -> None:
        """Find the route and send the request on, or answer with an error."""
        context = self._context
        route = context.find(self.head.path, self.head.host)
        if route is None:
            self._fault(Fault.NO_ROUTE)
            return
        self._route = route
        limit = idle_limit(self.method, self.head.body, context.settings.pool_idle)
        upstream = context.pool.take(route.target.endpoint, context.monotonic(), limit)
        if upstream is None:
            self._connect()
        else:
            self._send(upstream)

    def carry_on(self, route: Route, upstream: UpstreamConnection) -> None:
        """Take over an exchange whose request was sent already."""
        self._route = route
        self._upstream = upstream
        upstream.assign(self)

    def _connect(self) -> None:
        self._client.hold(HOLD_CONNECTING)
        self._connecting = self._context.start(self._open(self._route.target))

    async def _open(self, target: Target) -> None:
        context = self._context
        try:
            upstream = await open_upstream(target, context.settings.connect_timeout, context.pool.tls_for(target))
        except (OSError, UnicodeError) as error:
            self._connecting = None
            self._log("unreachable", f"{type(error).__name__}")
            self._fault(Fault.UNREACHABLE)
            return
        except Exception:
            self._connecting = None
            log.exception("internal error request=%s", self.request_id.decode())
            self._fault(Fault.INTERNAL)
            return
        self._connecting = None
        if self._state not in (State.SENDING, State.WAITING):
            upstream.drop()
            return
        self._send(upstream)
        self._client.release(HOLD_CONNECTING)

    def _send(self, upstream: UpstreamConnection) -> None:
        self._upstream = upstream
        upstream.assign(self)
        if self._client.blocked:
            upstream.pause(True)
        head = render_request(self.head, self._route, self._client.peer, self.request_id, self._context.rewriting)
        upstream.write(b"".join((head, *self._early)) if self._early else head)
        self._early.clear()
        self._arm()

    def _arm(self) -> None:
        settings = self._context.settings
        if settings.timeout or settings.proxy_timeout:
            waiting = settings.proxy_timeout if self._state is State.WAITING else 0.0
            limit = min(settings.timeout or inf, waiting or inf)
            self._client.deadline = self._context.monotonic() + limit

    def request_data(self, data: bytes) -> None:
        """Pass on a part of the request's body; after a failure it is dropped."""
        if self._seen is not None:
            self._seen.received += len(data)
        if self._upstream is not None:
            self._upstream.write(data)
            self._arm()
        elif self._state is State.SENDING:
            self._early.append(data)

    def request_end(self) -> None:
        """The request is complete."""
        self._step(Event.REQUEST_END)
        self._arm()

    def request_bad(self) -> None:
        """The request's body is not framed as its head says."""
        self._close = True
        self._log("refused", "malformed request body")
        self._fault(Fault.MALFORMED_BODY)

    def client_lost(self) -> None:
        """The client is gone."""
        if (self._state, Event.CLIENT_LOST) in TRANSITIONS:
            self._step(Event.CLIENT_LOST)
            self._ended()
            self._drop()
            if self._paging is not None:
                self._paging.cancel()

    def client_blocked(self, blocked: bool) -> None:
        """The client reads the answer too slowly, or does so no longer."""
        if self._upstream is not None:
            self._upstream.pause(blocked)

    def expire(self) -> None:
        """A deadline has passed. As long as either side takes bytes, however slowly, the exchange goes on."""
        upstream = self._upstream
        unsent_now = self._client.unsent(), unsent(upstream.transport) if upstream is not None else 0
        if unsent_now != self._unsent and any(unsent_now):
            self._unsent = unsent_now
            self._arm()
            return
        self._client.deadline = inf
        self._log("timed out", self._state.value)
        self._fault(Fault.TOO_SLOW)

    def upstream_blocked(self, blocked: bool) -> None:
        """The target reads the request too slowly, or does so no longer."""
        if blocked:
            self._client.hold(HOLD_UPSTREAM)
        else:
            self._client.release(HOLD_UPSTREAM)

    def interim(self, head: ResponseHead) -> None:
        """Pass on a 1xx answer, which HTTP/1.0 does not know."""
        if self.head.http11:
            self._client.write(render_interim(head, self._route, self.head.path))

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """The target answered 101."""
        if not (self.head.upgrade and head.upgrade and self._state is State.WAITING and self._upstream):
            self.answer_invalid("101 without a request for it")
            return
        self._step(Event.SWITCH)
        upstream, self._upstream = self._upstream, None
        if self._seen is not None:
            self._seen.answered(head.status)
            self._seen.tunnel = True
        rendered = render_switch(head, self._route, self.head.path)
        self._client.open_tunnel(upstream.detach(), rendered, rest, self)

    def tunnel_used(self) -> None:
        """Bytes went through the tunnel."""
        self._context.touch(self._route.key)

    def tunnel_closed(self, received: int, sent: int) -> None:
        """The tunnel is closed; so many bytes came from the client and went to it."""
        if self._seen is not None:
            self._seen.received += received
            self._seen.sent += sent
            self._ended()

    def answer(self, head: ResponseHead, body: int) -> bytes:
        """The target's answer begins."""
        self._step(Event.ANSWER)
        if self._seen is not None:
            self._seen.answered(head.status)
        if self._context.rewriting is not NO_REWRITING:
            head = relocated(head, self._route.target, self.head.host, self._context.rewriting)
        self._good = head.status < 300
        if body == UNTIL_CLOSE or (body == CHUNKED and self.unwrap_chunks) or self._context.draining:
            self._close = True
        return render_response(head, body, self._route, self.head.path, http11=self.head.http11, close=self._close)

    def answer_data(self, data: bytes) -> None:
        """A part of the answer."""
        self._client.write(data)
        if self._seen is not None:
            self._seen.sent += len(data)
        if self._good:
            self._context.touch(self._route.key)
        self._arm()

    def answer_end(self, *, reusable: bool) -> None:
        """The answer is complete."""
        action = self._step(Event.ANSWER_END)
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            if reusable and action is Action.FINISH:
                self._context.pool.give(upstream, self._context.monotonic())
            else:
                upstream.drop()
        self._ended()
        self._client.exchange_over(close=self._close or action is Action.FINISH_AND_CLOSE)

    def answer_invalid(self, reason: str) -> None:
        """The target's answer cannot be passed on."""
        self._log("invalid answer", reason)
        self._fault(Fault.INVALID_ANSWER)

    def upstream_lost(self, reason: str) -> None:
        """The target closed the connection before its answer was complete."""
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return
        pooled = upstream.pooled and not upstream.heard and self._state is State.WAITING
        if may_retry(self.method, self.head.body, pooled=pooled, retried=self._retried):
            self._retried = True
            self._connect()
            return
        self._log("lost", reason)
        self._fault(Fault.INVALID_ANSWER if upstream.heard else Fault.UNREACHABLE)

    def _drop(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.drop()
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None

    def _fault(self, fault: Fault) -> None:
        action = self._step(Event.FAULT)
        if action is Action.NOTHING:
            return
        if self._observer is not None and self._seen is not None:
            self._observer.faulted(self._seen, fault)
        self._drop()
        self._client.deadline = inf
        if action is Action.ABORT:
            self._ended()
            self._client.abort()
            return
        if wants_json(self.head.path, self.head.accept):
            self._own_answer(fault, Page(*json_page(fault.status, fault.message)))
        elif self._context.errors.remote and fault is not Fault.MALFORMED_BODY:
            self._paging = self._context.start(self._fetch_page(fault))
        else:
            self._own_answer(fault, self._context.errors.local(fault.status))

    async def _fetch_page(self, fault: Fault) -> None:
        page = await self._context.errors.fetch(fault.status, self.head.target, self.request_id)
        self._paging = None
        if self._state in (State.FAILED, State.FAILED_EARLY):
            self._own_answer(fault, page)

    def _own_answer(self, fault: Fault, page: Page | None) -> None:
        if page is None:
            page = Page(*html_page(fault.status, fault.message, self.request_id.decode()))
        action = self._step(Event.OWN_ANSWER)
        close = self._close or action is Action.FINISH_AND_CLOSE or self._context.draining
        answer = render_answer(
            fault.status,
            page.content_type,
            page.body,
            head_only=self.method == b"HEAD",
            close=close,
            content_encoding=page.content_encoding,
        )
        self._client.write(answer)
        if self._seen is not None:
            self._seen.status = fault.status
            self._seen.sent += len(answer)
            self._ended()
        self._client.exchange_over(close=close)

    def _ended(self) -> None:
        """Tell the observer, once, that the exchange is over."""
        seen, self._seen = self._seen, None
        if self._observer is not None and seen is not None:
            self._observer.ended(seen, self.head, self._route, self.request_id)

    def _log(self, what: str, detail: str) -> None:
        target = self._route.target.url
        path = printable(self.head.path)
        log.warning("%s: %s %s target=%s request=%s", what, detail, path, target, self.request_id.decode())
