from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.routes import Changes, Route, differences, extra_routes, hub_route, server_route, service_routes
from perijove.hub.core.servers import AT_REST, Server, State
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site

BASE = Site("/jupyter/")
HUB = hub_route(BASE, "http://127.0.0.1:8081")
ALICE = Server(1, 1, "alice", "", state=State.READY, url="http://127.0.0.1:5001")
LAB = Server(2, 1, "alice", "lab", state=State.READY, url="http://127.0.0.1:5002")

SERVERS = st.lists(
    st.builds(
        lambda user, name, state, port: Server(1, 1, user, name, state=state, url=f"http://127.0.0.1:{port}"),
        st.sampled_from(["alice", "bob", "a b"]),
        st.sampled_from(["", "lab", "gpu"]),
        st.sampled_from(list(State)),
        st.integers(5000, 5003),
    ),
    unique_by=lambda server: server.full_name,
)
SPECS = ["/jupyter/", "/", "/old/", "/jupyter/user/gone/"]
SPECS += [f"/jupyter/user/{user}/{name}" for user in ("alice", "bob", "a%20b") for name in ("", "lab/", "gpu/")]
OBSERVED = st.dictionaries(
    st.sampled_from(SPECS), st.sampled_from([f"http://127.0.0.1:{port}" for port in (5000, 5001, 5002, 8081)])
).map(lambda table: {spec: Route(spec, target) for spec, target in table.items()})


def applied(changes: Changes, observed: dict[str, Route]) -> dict[str, str]:
    table = {spec: route.target for spec, route in observed.items() if spec not in changes.delete}
    return table | {route.routespec: route.target for route in changes.add}


def test_the_hub_takes_the_whole_base_url() -> None:
    assert Route("/jupyter/", "http://127.0.0.1:8081", {"hub": True}) == HUB
    assert hub_route(Site(""), "http://h").routespec == "/"


def test_a_server_has_a_route_with_its_owner_and_name() -> None:
    named = replace(LAB, user_name="a b")
    route = server_route(BASE, named)
    assert route == Route("/jupyter/user/a%20b/lab/", LAB.url, {"user": "a b", "server_name": "lab"})
    assert server_route(Site("/"), ALICE).routespec == "/user/alice/"


def test_an_operator_has_routes_of_their_own() -> None:
    assert extra_routes(BASE, {"/grafana": "http://127.0.0.1:3000"}) == [
        Route("/grafana/", "http://127.0.0.1:3000", {"extra": True})
    ]
    with_hosts = Site("/", "https://hub.test", lambda name, domain, kind: name)
    assert extra_routes(with_hosts, {"docs.hub.test/": "https://docs"})[0].routespec == "docs.hub.test/"


@pytest.mark.parametrize(
    ("site", "spec", "target", "why"),
    [
        (BASE, "grafana/", "http://a", "must begin with a slash"),
        (
            Site("/", "https://hub.test", lambda name, domain, kind: name),
            "/grafana/",
            "http://a",
            "must begin with a host",
        ),
        (BASE, "/jupyter/", "http://a", "is the hub's"),
        (BASE, "/jupyter/hub/login", "http://a", "is the hub's"),
        (BASE, "/grafana/", "127.0.0.1:3000", "must be an http:// or https:// URL"),
        (BASE, "/grafana/", "unix:///run/grafana", "must be an http:// or https:// URL"),
    ],
)
def test_a_route_of_the_operator_that_cannot_be_is_refused(site: Site, spec: str, target: str, why: str) -> None:
    with pytest.raises(PerijoveError, match=why):
        extra_routes(site, {spec: target})


def test_the_routes_of_the_hub_win() -> None:
    own = Route("/jupyter/", "http://127.0.0.1:1")
    assert differences([own, HUB], [], {}, BASE).add == (HUB,)


@given(SERVERS, OBSERVED)
def test_the_changes_make_the_table_right_and_leave_pending_servers_alone(
    servers: list[Server], observed: dict[str, Route]
) -> None:
    table = applied(differences([HUB], servers, observed, BASE), observed)
    ready = {server_route(BASE, server).routespec: server.url for server in servers if server.ready}
    pending = {server_route(BASE, server).routespec for server in servers if server.pending}
    left = {spec: route.target for spec, route in observed.items() if spec in pending}
    assert table == {HUB.routespec: HUB.target} | ready | left


@given(SERVERS, OBSERVED)
def test_nothing_is_changed_that_is_right_already(servers: list[Server], observed: dict[str, Route]) -> None:
    changes = differences([HUB], servers, observed, BASE)
    assert not {route.routespec for route in changes.add} & set(changes.delete)
    assert all(observed.get(route.routespec, Route("", "")).target != route.target for route in changes.add)
    table = {spec: Route(spec, target) for spec, target in applied(changes, observed).items()}
    assert differences([HUB], servers, table, BASE) == Changes()


def test_an_empty_table_gets_the_hub_and_every_ready_server() -> None:
    changes = differences([HUB], [ALICE, LAB], {}, BASE)
    assert changes == Changes((HUB, server_route(BASE, ALICE), server_route(BASE, LAB)))


def test_a_server_that_moved_gets_its_route_replaced() -> None:
    old = server_route(BASE, replace(ALICE, url="http://127.0.0.1:1"))
    changes = differences([HUB], [ALICE], {HUB.routespec: HUB, old.routespec: old}, BASE)
    assert changes == Changes((server_route(BASE, ALICE),))


@pytest.mark.parametrize("state", State)
def test_only_routes_of_servers_at_rest_are_taken_away(state: State) -> None:
    route = server_route(BASE, ALICE)
    observed = {HUB.routespec: HUB, route.routespec: route}
    changes = differences([HUB], [replace(ALICE, state=state)], observed, BASE)
    assert changes == Changes(delete=(route.routespec,) if state in AT_REST else ())


def test_a_server_on_its_way_up_gets_no_route_yet() -> None:
    changes = differences([HUB], [replace(ALICE, state=State.ANSWERING)], {HUB.routespec: HUB}, BASE)
    assert changes == Changes()


def test_services_with_a_url_have_routes_whether_servers_run_or_not() -> None:
    services = [Service(1, "whoami", url="http://127.0.0.1:10101/some/path"), Service(2, "cull")]
    (route,) = service_routes(BASE, services)
    assert route == Route("/jupyter/services/whoami/", "http://127.0.0.1:10101", {"service": "whoami"})
    apart = Site("/", "https://hub.example", lambda name, domain, kind: f"{name}--{kind}.{domain}")
    assert service_routes(apart, services)[0].routespec == "whoami--service.hub.example/services/whoami/"
    gone = Route("/jupyter/services/gone/", "http://127.0.0.1:1", {"service": "gone"})
    assert differences([HUB, route], [], {gone.routespec: gone}, BASE) == Changes((HUB, route), (gone.routespec,))
