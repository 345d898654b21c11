"""The short way of a plain exchange: a GET that came whole, an open connection to its target, a whole answer.

Such an exchange has two events, so it needs no relay: the request is written to the target when it is read, the answer
to the client. At anything else (no open connection, an answer in parts or of another form, either side lost, time over)
a relay takes over, in the state in which it would be had it carried the exchange from the beginning.
"""

from __future__ import annotations

from typing import Protocol, cast

from perijove.proxy.core.heads import MAX_REMEMBERED
from perijove.proxy.core.plain import PlainRequest, plain_answer
from perijove.proxy.net.context import Context
from perijove.proxy.net.observer import Observation
from perijove.proxy.net.relay import Relay, RelayClient
from perijove.proxy.net.upstream import UpstreamConnection


class ShortcutClient(RelayClient, Protocol):
    """What a shortcut needs of its client."""

    def relayed(self, relay: Relay) -> None:
        """A relay carries the exchange from now on."""


class Shortcut:
    """The plain exchanges of one client connection, one after the other."""

    __slots__ = ("_client", "_context", "_request", "_request_id", "_seen", "_upstream", "busy")

    def __init__(self, context: Context, client: ShortcutClient) -> None:
        self._context = context
        self._client = client
        self.busy = False
        # Set by begin, and of use while this is busy.
        self._request: PlainRequest = cast("PlainRequest", None)
        self._request_id = b""
        self._upstream: UpstreamConnection = cast("UpstreamConnection", None)
        self._seen: Observation | None = None

    def begin(self, data: bytes) -> bool:
        """Send a plain request on. False if *data* is something else, or no connection to the target is open."""
        context, client = self._context, self._client
        request = context.plain_requests.read(data, context.book.table, client.peer)
        if request is None:
            return False
        now = context.monotonic()
        upstream = context.pool.take(request.route.target.endpoint, now, context.settings.pool_idle)
        if upstream is None:
            return False
        self.busy = True
        self._request = request
        self._upstream = upstream
        self._request_id = context.new_request_id()
        if context.observer is not None:
            self._seen = context.observer.began(client.address)
            context.observer.metrics.find_count += 1
        client.deadline = now + context.answer_limit
        upstream.shortcut = self
        # The last word: writing may tell that the target is slow, and so call for a relay.
        upstream.write(b"%b%b\r\n\r\n" % (request.start, self._request_id))
        return True

    def answer(self, data: bytes) -> bool:
        """Pass a whole answer on. False for any other, which the relay that is the target's sink now has to read."""
        context, client, request = self._context, self._client, self._request
        end = data.find(b"\r\n\r\n") + 4
        answer = plain_answer(data[:end]) if end <= MAX_REMEMBERED else None
        if answer is None or len(data) != end + answer.body or context.draining:
            self.relay()
            return False
        self.busy = False
        data = answer.rendered + data[end:]
        client.write(data)
        if answer.status < 300:
            context.touch(request.route.key)
        context.pool.give(self._upstream, context.monotonic())
        if self._seen is not None:
            self._end(answer.status, len(data))
        client.exchange_over(close=False)
        return True

    def _end(self, status: int, size: int) -> None:
        seen, self._seen = self._seen, None
        observer, request = self._context.observer, self._request
        if seen is None or observer is None:
            return
        seen.answered(status)
        seen.sent = size
        if observer.access is None:
            observer.count(seen, request.route)
        else:
            observer.ended(seen, request.head(), request.route, self._request_id)

    def relay(self) -> Relay:
        """Let a relay carry the exchange from now on."""
        relay = Relay(self._context, self._client, self._request.head(), self._request_id, self._seen)
        self.busy = False
        self._seen = None
        self._client.relayed(relay)
        relay.carry_on(self._request.route, self._upstream)
        return relay
