"""What goes on: numbers, charts of the last hour or day, the latest actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Request, Response
from msgspec import Struct

from perijove.hub.core.history import Point
from perijove.hub.core.paging import Window
from perijove.hub.core.texts import mark
from perijove.hub.ports.store import UserQuery
from perijove.hub.usecases import users
from perijove.hub.usecases.identity import Visitor
from perijove.hub.web.callers import Hub
from perijove.hub.web.charts import Chart, Series, chart
from perijove.hub.web.pages.admin_frame import Filter, seen_with, show
from perijove.hub.web.pages.admin_servers import counted
from perijove.hub.web.permissions import Router
from perijove.hub.web.state import HubState

router = Router(include_in_schema=False)

SPANS: Final[dict[str, tuple[int, int]]] = {"hour": (60, 1), "day": (96, 15)}
"""How many points of how many minutes a chart has."""

Reader = Annotated[Visitor, seen_with("read:hub")]


class Figure(Struct, frozen=True):
    """A chart with its words."""

    key: str
    title: str
    unit: str
    chart: Chart


@router.get("/admin/overview")
async def overview_page(request: Request, hub: Hub, visitor: Reader, span: Filter = "hour") -> Response:
    """Show what goes on."""
    span = span if span in SPANS else "hour"
    points = hub.administration.history.points(hub.ctx.clock.now(), *SPANS[span])
    principal = visitor.principal
    return show(
        request,
        visitor,
        "admin/overview.html",
        "overview",
        span=span,
        figures=figures(points),
        since=points[0].at,
        counts=counted(await hub.servers.count(principal)) if principal.may("read:servers") else None,
        users_total=await _users(hub, visitor),
        actions=[
            {"action": action, "stage": action.stage(hub.ctx.clock.now()).value}
            for action in await hub.administration.actions.latest(principal)
        ],
    )


async def _users(hub: HubState, visitor: Visitor) -> int | None:
    if not visitor.principal.may_some("list:users"):
        return None
    return (await users.list_users(hub.ctx, visitor.principal, UserQuery(Window(0, 1)))).total


def figures(points: Sequence[Point]) -> list[Figure]:
    """Return the charts of *points*."""

    def of(name: str) -> Callable[[Point], float | None]:
        return lambda point: None if point.gauges is None else getattr(point.gauges, name)

    def line(name: str, title: str, value: Callable[[Point], float | None]) -> Series:
        return Series(name, title, [value(point) for point in points])

    times = [point.at for point in points]
    whole = max((point.gauges.all_memory for point in points if point.gauges is not None), default=0)
    return [
        _figure("servers", mark("Running servers"), "", times, [line("running", mark("Running"), of("running"))]),
        _figure(
            "queue",
            mark("Starting and waiting"),
            "",
            times,
            [line("starting", mark("Starting"), of("starting")), line("queued", mark("Waiting"), of("queued"))],
        ),
        _figure(
            "starts",
            mark("Starts and failures"),
            "",
            times,
            [
                line("starts", mark("Starts"), lambda point: point.starts),
                line("failures", mark("Failures"), lambda point: point.failures),
            ],
            bars=True,
        ),
        _figure(
            "duration",
            mark("How long starts took"),
            "s",
            times,
            [
                line("mean", mark("Average"), lambda point: point.seconds),
                line("longest", mark("Longest"), lambda point: point.longest if point.starts else None),
            ],
            dots=True,
        ),
        _figure("hub-memory", mark("Memory of the hub"), "B", times, [line("hub", mark("Hub"), of("hub_memory"))]),
        _figure(
            "memory",
            mark("Memory of this machine"),
            "B",
            times,
            [line("used", mark("In use"), of("used_memory"))],
            top=whole,
        ),
    ]


def _figure(
    key: str, title: str, unit: str, times: Sequence[datetime], series: Sequence[Series], **options: Any
) -> Figure:
    return Figure(key, title, unit, chart(times, series, binary=unit == "B", **options))
