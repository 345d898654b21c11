from __future__ import annotations

import getpass
from typing import Any

import pytest

from perijove.hub.core.scopes import BUILT_IN
from perijove.hub.core.services import Service, derived_token
from perijove.hub.core.site import Site
from perijove.hub.settings.services import ParsedServices, ServiceSpec, parse_services, read_service
from perijove.proxy.core.targets import Target, parse_target

TOKEN = "a-token-of-at-least-thirty-two-characters"
OTHER = "another-token-of-thirty-two-characters"
URL = "http://127.0.0.1:10101"


def parse(*items: Any) -> ParsedServices:
    return parse_services(items, Site("/jh/"), BUILT_IN)


def test_everything_that_can_be_said_is_understood() -> None:
    everything = {
        "name": "ops",
        "api_token": TOKEN,
        "admin": True,
        "url": f"{URL}/some/path",
        "command": ["run", "me"],
        "cwd": "/srv",
        "environment": {"A": "b", "N": 3},
        "user": getpass.getuser(),
        "timeout": 5,
        "info": {"by": ["us"]},
        "display": False,
        "oauth_client_id": "service-of-ours",
        "oauth_redirect_uri": "https://ops.example/back",
        "oauth_client_allowed_scopes": ["read:users!user", "inherit"],
        "oauth_no_confirm": True,
    }
    (spec,) = parse(everything).services
    assert {key: getattr(spec, key) for key in everything} == everything | {
        "command": ("run", "me"),
        "environment": {"A": "b", "N": "3"},
        "oauth_client_allowed_scopes": ("read:users!user", "inherit"),
    }
    assert parse(everything).mistakes == parse(everything).warnings == ()
    assert spec.as_service(from_config=False) == Service(
        0,
        "ops",
        admin=True,
        url=f"{URL}/some/path",
        command=("run", "me"),
        info={"by": ["us"]},
        display=False,
        oauth_client_id="service-of-ours",
        oauth_redirect_uri="https://ops.example/back",
        oauth_client_allowed_scopes=("read:users!user", "inherit"),
        oauth_no_confirm=True,
        from_config=False,
    )


def test_what_is_none_or_missing_has_its_default() -> None:
    parsed = parse({"name": "ops", "api_token": TOKEN, "admin": True}, {"name": "plain", "url": None, "command": None})
    assert parsed.services == (ServiceSpec("ops", TOKEN, admin=True), ServiceSpec("plain"))
    assert parsed.mistakes == parsed.warnings == ()


def test_what_the_hub_runs_is_given_a_token_unless_it_has_one() -> None:
    told, run, had = ServiceSpec("told"), ServiceSpec("run", command=("x",)), ServiceSpec("had", "own", command=("x",))
    assert (told.with_token(b"secret"), had.with_token(b"secret")) == (told, had)
    assert run.with_token(b"secret").api_token == derived_token(b"secret", "run")


@pytest.mark.parametrize("url", ["https://Wiki.example", "http://a_b-c.svc.cluster.local.:8080/x", "http://[::1]:80"])
def test_hosts_are_written_in_many_ways(url: str) -> None:
    assert parse({"name": "ops", "url": url}).mistakes == ()


def test_what_is_understood_is_a_target_for_the_proxy() -> None:
    for url in ("https://Wiki.example/a/b", "http://[::1]:80", "HTTP://10.0.0.1:1/"):
        (spec,) = parse({"name": "ops", "url": url}).services
        assert isinstance(parse_target(spec.as_service(from_config=True).target), Target)


def test_a_command_may_be_one_word() -> None:
    (spec,) = parse({"name": "ops", "command": "run"}).services
    assert spec.command == ("run",)


@pytest.mark.parametrize(
    ("keys", "signs_in"),
    [
        ({}, False),
        ({"api_token": TOKEN}, False),
        ({"url": URL}, False),
        ({"url": URL, "api_token": TOKEN}, True),
        ({"url": URL, "command": ["run"]}, True),
        ({"command": ["run"]}, False),
        ({"api_token": TOKEN, "oauth_redirect_uri": "https://a.example/back"}, True),
    ],
)
def test_visitors_sign_in_where_there_are_pages_and_a_secret(keys: dict[str, Any], signs_in: bool) -> None:
    (spec,) = parse({"name": "ops", **keys}).services
    assert spec.has_client is signs_in


def test_secrets_never_stand_in_a_repr() -> None:
    assert TOKEN not in repr(ServiceSpec("ops", TOKEN, environment={"PASSWORD": TOKEN}))


def test_doubts_are_told() -> None:
    parsed = parse({"name": "ops", "api_token": "x" * 31}, {"name": "idle", "cwd": "/srv", "user": getpass.getuser()})
    assert parsed.mistakes == ()
    assert "c.JupyterHub.services[0] (ops): api_token is short" in parsed.warnings[0]
    assert "c.JupyterHub.services[1] (idle): cwd, user: of no effect without a command" in parsed.warnings[1]


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (3, "a service is a dictionary"),
        ({}, "it has no name"),
        ({"name": 3}, "name must be a text"),
        ({"name": "a/b"}, "Invalid service name"),
        ({"name": "ops", "api_tokn": TOKEN}, "there is no key 'api_tokn'; did you mean api_token?"),
        ({"name": "ops", "oauth_roles": ["x"]}, "oauth_roles: is not available any more"),
        ({"name": "ops", "api_token": "short"}, "8 or more"),
        ({"name": "ops", "api_token": "with blanks in it"}, "without blanks"),
        ({"name": "ops", "api_token": [TOKEN]}, "api_token must be a text, not list"),
        ({"name": "ops", "admin": "yes"}, "admin must be True or False"),
        ({"name": "ops", "url": "ftp://x"}, "url: it must begin with http:// or https://"),
        ({"name": "ops", "url": "http://:8000"}, "url: it names no host"),
        ({"name": "ops", "url": "http://me@x:1"}, "url: it must end after the path and name no user"),
        ({"name": "ops", "url": "http://x:1/a b"}, "url: it must have letters"),
        *(
            ({"name": "ops", "url": url}, "url: it must name a host, or an address, and a port above 0")
            for url in ("http://a:0", "http://a,b", "http://a..b", "http://-a", "http://a%20b")
        ),
        ({"name": "ops", "url": f"http://{'a' * 254}"}, "url: it must name a host"),
        ({"name": "ops", "url": "http+unix://x"}, "url: Unix sockets"),
        ({"name": "ops", "command": [3]}, "command must be a list of words"),
        ({"name": "ops", "command": ["run", ""]}, "command must be a list of words"),
        ({"name": "ops", "command": ["a\0b"]}, "command must be a list of words"),
        ({"name": "ops", "environment": {"A=B": TOKEN}}, "environment must be a dictionary of texts"),
        ({"name": "ops", "environment": {"A": [TOKEN]}}, "environment must be a dictionary of texts"),
        ({"name": "ops", "command": "x", "user": "no-such-user"}, "user: this machine knows no user 'no-such-user'"),
        ({"name": "ops", "timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"name": "ops", "timeout": True}, "timeout must be a number"),
        ({"name": "ops", "info": {"a": {1}}}, "info must be a dictionary that JSON can hold"),
        ({"name": "ops", "info": {"a": float("nan")}}, "info must be a dictionary that JSON can hold"),
        ({"name": "ops", "display": 1}, "display must be True or False"),
        ({"name": "ops", "api_token": TOKEN, "oauth_client_id": "grafana"}, "oauth_client_id must begin with service-"),
        ({"name": "ops", "api_token": TOKEN, "oauth_redirect_uri": "//evil.example"}, "oauth_redirect_uri must be"),
        ({"name": "ops", "api_token": TOKEN, "oauth_client_allowed_scopes": ["self!user=a"]}, "takes no filter"),
        (
            {"name": "ops", "api_token": TOKEN, "oauth_client_allowed_scopes": ["read:user"]},
            "oauth_client_allowed_scopes: there is no scope 'read:user'; did you mean read:users?",
        ),
        ({"name": "ops", "oauth_no_confirm": True}, "api_token: a service whose visitors sign in at the hub needs one"),
    ],
)
def test_a_wrong_service_is_told(item: Any, why: str) -> None:
    (text,) = parse(item).mistakes
    assert text.startswith("c.JupyterHub.services[0]")
    assert why in text
    assert TOKEN not in text


def test_names_tokens_and_clients_belong_to_one_service_each() -> None:
    parsed = parse(
        {"name": "a", "url": URL, "api_token": TOKEN},
        {"name": "a"},
        {"name": "b", "api_token": TOKEN},
        {"name": "c", "api_token": OTHER, "oauth_client_id": "service-a"},
    )
    assert len(parsed.mistakes) == 3
    assert "another service of that name" in parsed.mistakes[0]
    assert "the service a has the same api_token" in parsed.mistakes[1]
    assert "the service a has the same oauth_client_id" in parsed.mistakes[2]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(parse({"nam": "x", "admin": 3}, 4).mistakes) == 4


def test_one_service_alone_can_be_read() -> None:
    assert read_service({"name": "x", "url": URL}, Site(), BUILT_IN) == (ServiceSpec("x", url=URL), [])
    spec, wrong = read_service({"name": "x", "url": "x"}, Site(), BUILT_IN)
    assert (spec, len(wrong)) == (None, 1)
