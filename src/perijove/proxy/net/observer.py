"""Who is told what became of each exchange: the counters and the access log. Without either there is no observer."""

from __future__ import annotations

import time
from typing import cast

from perijove.proxy.core.accesslog import Exchange, Format
from perijove.proxy.core.errors import Fault
from perijove.proxy.core.heads import RequestHead
from perijove.proxy.core.metrics import Metrics
from perijove.proxy.core.routes import Route
from perijove.proxy.net.accesslog import AccessLog
from perijove.proxy.settings import ProxySettings

_AT_THE_TARGET = frozenset((Fault.INVALID_ANSWER, Fault.UNREACHABLE, Fault.TOO_SLOW))


class Observation:
    """What is known so far of one exchange. Times are of the monotonic clock, in seconds."""

    __slots__ = ("address", "began", "fault", "first_byte", "received", "sent", "status", "tunnel")

    def __init__(self, address: str) -> None:
        self.began = time.monotonic()
        self.address = address
        self.first_byte: float | None = None
        self.status = 0
        self.received = 0
        self.sent = 0
        self.fault = ""
        self.tunnel = False

    def answered(self, status: int) -> None:
        """The head of the target's answer is here."""
        self.status = status
        self.first_byte = time.monotonic() - self.began


class Observer:
    """Counts exchanges and logs them."""

    def __init__(self, metrics: Metrics, access: AccessLog | None) -> None:
        self.metrics = metrics
        self.access = access

    def began(self, address: str, *, upgrade: bool = False) -> Observation:
        """A client at *address* made a request, perhaps one to change the protocol."""
        if upgrade:
            self.metrics.requests_ws += 1
        else:
            self.metrics.requests_web += 1
        return Observation(address)

    def faulted(self, seen: Observation, fault: Fault) -> None:
        """An exchange cannot go on."""
        seen.fault = fault.name.lower()
        if fault in _AT_THE_TARGET:
            self.metrics.failed(seen.fault)

    def count(self, seen: Observation, route: Route) -> None:
        """Count an exchange that is over."""
        self.metrics.answered(route.kind, seen.status, seen.received, seen.sent, seen.first_byte)

    def ended(self, seen: Observation, head: RequestHead, route: Route, request_id: bytes) -> None:
        """An exchange, or the tunnel that it became, is over."""
        self.count(seen, route)
        if self.access is None:
            return
        agent = next((value for name, value in head.fields if name.lower() == b"user-agent"), b"")
        self.access.add(
            Exchange(
                ended=time.time(),
                seconds=time.monotonic() - seen.began,
                first_byte=seen.first_byte,
                address=seen.address,
                method=head.method.decode(),
                target=head.target.decode("latin-1"),
                version="HTTP/1.1" if head.http11 else "HTTP/1.0",
                host=head.host.decode("latin-1"),
                agent=agent.decode("latin-1"),
                status=seen.status,
                received=seen.received,
                sent=seen.sent,
                kind=route.kind,
                upstream=route.target.url,
                request_id=request_id.decode(),
                tunnel=seen.tunnel,
                fault=seen.fault,
            )
        )

    def refused(self, address: str, status: int, request_id: str) -> None:
        """A request was refused before there was an exchange."""
        self.metrics.refused(status)
        if self.access is not None:
            self.access.add(
                Exchange(
                    ended=time.time(),
                    seconds=0.0,
                    first_byte=None,
                    address=address,
                    method="-",
                    target="-",
                    version="-",
                    host="",
                    agent="",
                    status=status,
                    received=0,
                    sent=0,
                    kind="other",
                    upstream="-",
                    request_id=request_id,
                    tunnel=False,
                    fault="refused",
                )
            )


def new_observer(settings: ProxySettings) -> Observer | None:
    """Return the observer that settings ask for. Raises OSError for an access log that cannot be written."""
    counted = settings.metrics_port is not None or bool(settings.metrics_socket)
    logged = settings.access_log != "off"
    if not counted and not logged:
        return None
    form = cast("Format", settings.access_log)
    access = AccessLog(form, settings.access_log_file, query=settings.access_log_query) if logged else None
    return Observer(Metrics(), access)
