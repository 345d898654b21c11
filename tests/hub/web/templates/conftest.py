"""What the pages are rendered with in tests: believable values, and hostile ones wherever a stranger can write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jinja2
import pytest

from perijove.hub.core.admission import Place
from perijove.hub.core.oauth import OAuthClient
from perijove.hub.core.usage import Usage
from perijove.hub.web.templating import make_environment

NOW: Final = datetime(2026, 3, 31, 12, 0, 0, tzinfo=UTC)
HOSTILE: Final = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}&lt;"

Values = dict[str, Any]

LOG: Final = """[I 2026-03-31 11:59:58 ServerApp] jupyterlab | extension was successfully linked.
[C 2026-03-31 11:59:59 ServerApp] Bad config encountered during initialization: The 'port' trait of a ServerApp instance
    expected an int, not the str 'eighty'.
Traceback (most recent call last):
  File "app.py", line 42, in start
    raise SystemExit(1)"""

FAILURE: Final[Values] = {
    "reason": "The server ended with exit status 1 before it answered.",
    "advice": "Look at the last lines it wrote. If your own settings are to blame, move ~/.jupyter out of the way.",
    "log": LOG,
    "at": NOW - timedelta(minutes=2),
}


def common(**more: Any) -> Values:
    """Return what every page gets, with *more* added or put in its place."""
    return {
        "base_url": "/hub/",
        "prefix": "/",
        "version": "0.1.0",
        "login_url": "/hub/login",
        "logout_url": "/hub/logout",
        "logo_url": "/hub/home",
        "own_logo": False,
        "language": "en",
        "languages": {"en": "English", "de": "Deutsch", "fr": "Français"},
        "theme": "",
        "again_url": "",
        "announcement": "",
        "services": (),
        "user": {"name": "alice", "admin": True, "has_account": True},
        "xsrf_token": "2|token",
        "now": NOW,
        **more,
    }


def server(name: str = "", state: str = "stopped", **more: Any) -> Values:
    """Return the view of a server of alice's."""
    active = state not in ("stopped", "failed")
    where = f"alice/{name}" if name else "alice"
    return {
        "name": name,
        "title": name,
        "display_name": "",
        "delete_action": f"/hub/delete/{where}",
        "rename_action": f"/hub/rename/{where}",
        "share_url": f"/hub/share/{where}",
        "owner": "alice",
        "state": state,
        "state_text": "",
        "active": active,
        "ready": state == "ready",
        "url": f"/user/{where}/",
        "start_action": f"/hub/spawn/{where}",
        "stop_action": f"/hub/stop/{where}",
        "pending_url": f"/hub/spawn-pending/{where}",
        "started": NOW - timedelta(hours=2) if active else None,
        "last_activity": NOW - timedelta(minutes=3) if active else None,
        "failure": FAILURE if state == "failed" else None,
        "usage": None,
        "ending": None,
        **more,
    }


def pending(**more: Any) -> Values:
    """Return the context of the page that shows a start."""
    return common(
        **{
            "server": server(state="starting", state_text="Starting"),
            "events": [
                {"id": 1, "progress": 0, "message": "Asked for", "outcome": "", "at": NOW},
                {"id": 2, "progress": 10, "message": "Starting the process", "outcome": "", "at": NOW},
                {
                    "id": 3,
                    "progress": 40,
                    "message": "Waiting until the server answers at 127.0.0.1:41234",
                    "outcome": "",
                    "at": NOW,
                },
            ],
            "events_url": "/hub/api/users/alice/server/progress?_xsrf=2%7Ctoken",
            "next_url": "/user/alice/lab",
            "log_url": "/hub/spawn-log/alice?_xsrf=2%7Ctoken",
            "log_page": "/hub/spawn-log/alice",
            "place": None,
            "elapsed_since": NOW - timedelta(seconds=4),
            "stop_action": "/hub/stop/alice",
            "failure": None,
            "retry_action": "/hub/spawn/alice",
            **more,
        }
    )


def administration(**more: Any) -> Values:
    """Return the context of the page for administrators."""
    people = [
        ("alice", True, [server(state="ready"), server("gpu-experiments", "starting")]),
        ("bob", False, [server()]),
        ("carol-anne.featherstonehaugh@example.org", False, [server(state="failed")]),
        ("dora", False, [server(state="stopping")]),
        ("emil", False, []),
    ]
    users = [
        {
            "name": name,
            "admin": admin,
            "last_activity": NOW - timedelta(hours=7 * i) if i < 4 else None,
            "servers": own,
            "removing": name == "emil",
        }
        for i, (name, admin, own) in enumerate(people)
    ]
    return common(
        **{
            "waiting": [
                {"name": "frida", "created": NOW - timedelta(minutes=4)},
                {"name": "gustav", "created": NOW - timedelta(days=2)},
            ],
            "users": users,
            "waiting_count": 2,
            "page": {"first": 1, "last": 5, "total": 23, "next_url": "/hub/admin?offset=5", "previous_url": None},
            "wanted": {"name_filter": "", "state": "", "group": "", "sort": ""},
            "sorted_by": {"name": "/hub/admin?sort=-name", "last_activity": "/hub/admin?sort=-last_activity"},
            "list_url": "/hub/admin",
            "sections": [{"key": "users", "path": "admin", "title": "Users"}],
            "section": "users",
            "may": lambda *scopes: True,
            "new_key": "a-key-of-sixteen",
            "done": "",
            "done_count": 1,
            "error": "",
            "typed": {},
            **more,
        }
    )


API: Final[Values] = {
    "title": "Perijove",
    "version": "6.1.1",
    "description": "Start, watch and stop servers, and manage the people who own them.",
    "groups": [
        {
            "name": "Users",
            "operations": [
                {
                    "method": "GET",
                    "path": "/hub/api/users",
                    "summary": "List users",
                    "description": "Those you may see.\n\nIn pages; see offset and limit.",
                    "scopes": ["list:users", "read:users"],
                    "parameters": [
                        {"name": "offset", "where": "query", "required": False, "description": "How many to skip."},
                        {"name": "limit", "where": "query", "required": False, "description": "How many at most."},
                    ],
                    "request": "",
                    "responses": [
                        {"status": "200", "description": "The users."},
                        {"status": "403", "description": "You may not."},
                    ],
                },
                {
                    "method": "POST",
                    "path": "/hub/api/users/{name}",
                    "summary": "Create a user",
                    "description": "",
                    "scopes": ["admin:users"],
                    "parameters": [
                        {"name": "name", "where": "path", "required": True, "description": "How they will be called."}
                    ],
                    "request": '{"admin": false}',
                    "responses": [{"status": "201", "description": "The user."}],
                },
            ],
        },
        {
            "name": "Servers",
            "operations": [
                {
                    "method": "DELETE",
                    "path": "/hub/api/users/{name}/server",
                    "summary": "Stop a user's default server",
                    "description": "",
                    "scopes": [],
                    "parameters": [],
                    "request": "",
                    "responses": [],
                }
            ],
        },
    ],
}


def way(kind: str = "form", service: str = "", part: str = "", html: str = "") -> Values:
    """One way to sign in."""
    return {"kind": kind, "url": "/hub/login?next=%2Fhub%2Fhome", "service": service, "part": part, "html": html}


NO_FORM_ERROR: Final[Values] = {"error": "", "username": ""}
HOME: Final[Values] = {
    "named_server_limit": 0,
    "may_share": True,
    "shared": [],
    "error": "",
    "typed": "",
    "facts_url": "/hub/home/facts?_xsrf=2%7Ctoken",
}
ENDING: Final[Values] = {"idle": 2880.0, "latest": 36000.0, "soon": False, "for_idleness": True}
SIGN_IN: Final[Values] = {
    "action": "/hub/login?next=%2Fhub%2Fhome",
    "next": "/hub/home",
    "signup": True,
    "ways": [way()],
    "needs_form": True,
    "held": "",
    "part": "",
    "told": "",
    "login_service": "",
    "authenticator_login_url": "/hub/login",
    "custom_html": "",
    "login_term_url": "",
}
ELSEWHERE: Final[Values] = {"needs_form": False, "signup": False}
ERROR: Final[Values] = {
    "status": 404,
    "title_text": "There is nothing here",
    "message": "The address may be misspelt, or what was here is gone.",
    "error_id": "",
    "action": None,
}

ONE_PAGE: Final[Values] = {"first": 1, "last": 2, "total": 2, "next_url": "", "previous_url": ""}
TOKENS: Final[Values] = {
    "made": None,
    "error": "",
    "typed": {"note": "", "expires_in": 86400, "allow": "all", "scopes": (), "more_scopes": ""},
    "number": "n",
    "lifetimes": [3600, 86400, 0],
    "choices": [
        {"scope": "servers!user", "text": "Start and stop my servers", "service": ""},
        {"scope": "access:services!service=wiki", "text": "", "service": "wiki"},
    ],
    "revoke_url": "/hub/token/revoke",
    "tokens_page": ONE_PAGE | {"total": 130, "next_url": "/hub/token?offset=50"},
    "applications_page": ONE_PAGE,
    "tokens": [
        {
            "id": 7,
            "note": "Nightly",
            "created": NOW,
            "last_activity": None,
            "expires_at": NOW + timedelta(days=2),
            "everything": True,
            "words": [],
            "scopes": [],
            "of_server": False,
        },
        {
            "id": 8,
            "note": "",
            "created": NOW,
            "last_activity": NOW,
            "expires_at": None,
            "everything": False,
            "words": ["Start and stop my servers"],
            "scopes": ["read:hub"],
            "of_server": False,
        },
        {
            "id": 9,
            "note": "Server",
            "created": NOW,
            "last_activity": NOW,
            "expires_at": None,
            "everything": False,
            "words": [],
            "scopes": [],
            "of_server": True,
        },
    ],
    "applications": [
        {"name": "wiki", "is_service": True, "token_id": 3, "created": NOW, "last_activity": NOW},
        {"name": "bob/lab", "is_service": False, "token_id": 4, "created": NOW, "last_activity": None},
        {"name": "", "is_service": False, "token_id": 5, "created": NOW, "last_activity": None},
    ],
}

SHARE: Final[Values] = {
    "server": server("lab"),
    "exists": True,
    "action": "/hub/share/alice/lab",
    "given": [
        {"kind": "user", "name": "bob", "words": ["Open it"], "created": NOW},
        {"kind": "group", "name": "team", "words": ["Open it", "Start it"], "created": NOW},
    ],
    "codes": [
        {"id": 1, "words": ["Open it"], "created": NOW, "expires": NOW + timedelta(hours=3), "count": 1},
        {"id": 2, "words": ["Open it"], "created": NOW, "expires": NOW + timedelta(hours=3), "count": 2},
    ],
    "made": None,
    "error": "",
    "typed": {"kind": "user", "name": "", "offer": "use"},
    "offers": [("use", "Open it"), ("run", "Open it, and start and stop it")],
    "lifetimes": (3600, 86400),
    "lifetime": 86400,
    "number": "n",
}

OPTIONS: Final[Values] = {
    "for_user": {"name": "alice"},
    "server": server(),
    "url": "/hub/spawn/alice",
    "spawner_options_form": "An image",
    "html_error_message": "",
    "chosen_is_all": False,
}

PAGES: Final[dict[str, tuple[str, Values]]] = {
    "login": ("login.html", common(user=None, **SIGN_IN, **NO_FORM_ERROR)),
    "login-error": (
        "login.html",
        common(user=None, **SIGN_IN, error="Invalid username or password", username="alice"),
    ),
    "login-elsewhere": (
        "login.html",
        common(user=None, **SIGN_IN | {"ways": [way("link", "GitHub")], **ELSEWHERE}, **NO_FORM_ERROR),
    ),
    "login-elsewhere-refused": (
        "login.html",
        common(
            user=None,
            **SIGN_IN
            | {"ways": [way("link")], **ELSEWHERE, "told": "You are not in the team.", "login_term_url": "/t"},
            error="You were not signed in.",
            username="",
        ),
    ),
    "login-elsewhere-held": (
        "login.html",
        common(user=None, **SIGN_IN | {"ways": [way("link", "GitHub")], **ELSEWHERE, "held": "x"}, **NO_FORM_ERROR),
    ),
    "login-several": (
        "login.html",
        common(
            user=None,
            **SIGN_IN | {"ways": [way(), way("link", "GitHub"), way("link", "University of Somewhere")]},
            **NO_FORM_ERROR,
        ),
    ),
    "login-several-forms": (
        "login.html",
        common(
            user=None,
            **SIGN_IN
            | {
                "ways": [way(service="Staff", part="staff"), way(part="guests"), way("link", "GitHub")],
                "part": "guests",
                "login_term_url": "/terms",
            },
            error="Invalid username or password",
            username="alice",
        ),
    ),
    "login-of-the-operator": (
        "login.html",
        common(
            user=None,
            **SIGN_IN | {"ways": [way("html", html='<p><a href="{{ authenticator_login_url }}">Library card</a></p>')]},
            **NO_FORM_ERROR,
        ),
    ),
    "login-nowhere": ("login.html", common(user=None, **SIGN_IN | {"ways": [], **ELSEWHERE}, **NO_FORM_ERROR)),
    "logout": ("logout.html", common(user=None, login_service="")),
    "logout-elsewhere": ("logout.html", common(user=None, login_service="GitHub")),
    "signup": ("signup.html", common(user=None, done=False, **NO_FORM_ERROR)),
    "signup-error": (
        "signup.html",
        common(user=None, done=False, error="A password has 8 to 1024 characters", username="bob"),
    ),
    "signup-done": ("signup.html", common(user=None, done=True, error="", username="bob")),
    "setup": ("setup.html", common(user=None, code="one-time", valid=True, **NO_FORM_ERROR)),
    "setup-used": ("setup.html", common(user=None, code="", valid=False, **NO_FORM_ERROR)),
    "home-stopped": ("home.html", common(servers=[server()], named_servers=False, **HOME)),
    "home-ready": (
        "home.html",
        common(
            user={"name": "bob", "admin": False, "has_account": False},
            servers=[server(state="ready", state_text="Running")],
            named_servers=False,
            **HOME,
        ),
    ),
    "home-starting": (
        "home.html",
        common(
            servers=[server(state="queued", state_text="Third in the queue, about a minute")],
            named_servers=False,
            **HOME,
        ),
    ),
    "home-failed": ("home.html", common(servers=[server(state="failed")], named_servers=False, **HOME)),
    "home-many": (
        "home.html",
        common(
            servers=[
                server(state="ready"),
                server("gpu", "stopped"),
                server("thesis", "stopping"),
                server("long-calculations", "failed"),
                server("course", "answering"),
                server("second", "ready", usage=Usage(432_000_000, 2 * 1024**3), ending=ENDING),
                server("third", "ready", usage=Usage(51_000_000), ending=ENDING | {"idle": 0.0, "soon": True}),
                server("fourth", "ready", ending=ENDING | {"idle": None, "soon": True, "for_idleness": False}),
            ],
            named_servers=True,
            **HOME,
        ),
    ),
    "pending": ("spawn_pending.html", pending()),
    "pending-new": ("spawn_pending.html", pending(events=[], elapsed_since=None)),
    "pending-failed": ("spawn_pending.html", pending(server=server(state="failed"), failure=FAILURE)),
    "pending-stopping": ("spawn_pending.html", pending(server=server(state="stopping"))),
    "options": (
        "spawn.html",
        common(**OPTIONS, chosen={}, error_message=None),
    ),
    "options-wrong": (
        "spawn.html",
        common(
            **OPTIONS
            | {"for_user": {"name": "bob"}, "server": server("gpu", owner="bob"), "url": "/hub/spawn/bob/gpu"},
            chosen={"image": ["lab"]},
            error_message="There is no such image.",
        ),
    ),
    "not-running": (
        "not_running.html",
        common(
            server=server(),
            start_action="/hub/spawn/alice?next=%2Fuser%2Falice%2Flab",
            next_url="/user/alice/lab",
            own=True,
            may_start=True,
            owner="alice",
            starts_after=0,
        ),
    ),
    "not-running-of-another": (
        "not_running.html",
        common(
            server=server("gpu", "failed", owner="bob"),
            start_action="/hub/spawn/bob/gpu",
            next_url="/user/bob/gpu/",
            own=False,
            may_start=True,
            owner="bob",
            starts_after=0,
        ),
    ),
    "oauth": (
        "oauth.html",
        common(
            client=OAuthClient("id", "", "/", "", 1, "bob/"),
            owner="bob",
            server="gpu",
            leads_to="",
            scopes=[
                {"scope": "access:servers!server=bob/", "description": "Let you in", "limit": "", "much": False},
                {"scope": "read:users:name!user=alice", "description": "Read", "limit": "alice", "much": True},
            ],
        ),
    ),
    "oauth-identity": (
        "oauth.html",
        common(
            client=OAuthClient("service-wiki", "", "/", "", None, "", (), 1, "wiki"),
            owner="",
            server="",
            leads_to="wiki.example",
            scopes=[],
        ),
    ),
    "accept-share": (
        "accept_share.html",
        common(server=server("gpu", "ready", owner="bob"), allows=["Open it", "Start and stop it"]),
    ),
    "accept-share-stopped": ("accept_share.html", common(server=server(owner="bob"), allows=["Open it"])),
    "not-running-for-a-guest": (
        "not_running.html",
        common(
            server=server(owner="bob"),
            start_action="",
            next_url="/user/bob/",
            own=False,
            may_start=False,
            owner="bob",
            starts_after=0,
        ),
    ),
    "pending-queued": (
        "spawn_pending.html",
        pending(server=server(state="queued"), place=Place(3, 40), events=[]),
    ),
    "home-shared": (
        "home.html",
        common(
            servers=[server()],
            named_servers=True,
            **HOME
            | {
                "named_server_limit": 3,
                "error": "A name needs at least one of the letters a to z.",
                "typed": "!",
                "shared": [
                    server("lab", "ready", owner="bob") | {"groups": [], "give_up": "/hub/shared/bob/lab/give-up"},
                    server(owner="carol") | {"groups": ["team"], "give_up": ""},
                ],
            },
        ),
    ),
    "resume": (
        "resume.html",
        common(action="/hub/token", fields=(("note", "Nightly"), ("scopes", "servers!user"))),
    ),
    "token": ("token.html", common(**TOKENS)),
    "token-made": (
        "token.html",
        common(
            **TOKENS
            | {
                "made": {"value": "the-secret", "token": None},
                "error": "No such scope",
                "tokens": [],
                "tokens_page": ONE_PAGE | {"total": 0},
                "applications": [],
                "applications_page": ONE_PAGE | {"total": 0},
                "typed": TOKENS["typed"] | {"allow": "some", "more_scopes": "read:hub"},
            }
        ),
    ),
    "share": ("share.html", common(**SHARE)),
    "share-made": (
        "share.html",
        common(
            **SHARE
            | {
                "made": {"link": "/hub/accept-share?code=x", "code": {"expires": NOW + timedelta(days=1)}},
                "server": server("lab", owner="bob"),
                "given": [],
                "codes": [],
                "error": "No such user",
            }
        ),
    ),
    "share-none": ("share.html", common(**SHARE | {"exists": False})),
    "error": ("error.html", common(**ERROR)),
    "error-stranger": (
        "error.html",
        common(
            user=None,
            **ERROR
            | {
                "status": 500,
                "title_text": "Something went wrong here",
                "error_id": "c0ffee12",
                "action": {"url": "/hub/login", "text": "Sign in again"},
            },
        ),
    ),
    "admin": ("admin.html", administration()),
    "admin-last-page": (
        "admin.html",
        administration(
            waiting=[],
            wanted={"name_filter": "a", "state": "", "group": "", "sort": ""},
            page={"first": 21, "last": 23, "total": 23, "next_url": None, "previous_url": "/hub/admin?offset=15"},
        ),
    ),
    "admin-nobody": (
        "admin.html",
        administration(
            waiting=[],
            users=[],
            wanted={"name_filter": "zz", "state": "", "group": "", "sort": ""},
            page={"offset": 0, "limit": 5, "total": 0, "next_url": None, "previous_url": None},
        ),
    ),
    "account": ("account.html", common(error="", done=False)),
    "account-error": ("account.html", common(error="That is not your present password", done=False)),
    "account-done": ("account.html", common(error="", done=True)),
    "api": ("api.html", common(api=API)),
    "message": ("message.html", common(heading="You are signed out", message="See you soon.", action=None)),
    "message-action": (
        "message.html",
        common(
            user=None,
            heading="You are signed out",
            message="See you soon.",
            action={"url": "/hub/login", "text": "Sign in"},
        ),
    ),
}

# What the pages choose by, where the hub is, and what the operator wrote: nothing that a stranger can write.
_CHOSEN: Final = frozenset(
    {"base_url", "prefix", "state", "method", "logout_url", "login_url", "logo_url", "kind", "html"}
)


def hostile(value: Any, key: str = "") -> Any:
    """Return *value* with every text in it replaced by a hostile one."""
    match value:
        case str() if key not in _CHOSEN and value:
            return HOSTILE
        case dict():
            return {name: hostile(part, name) for name, part in value.items()}
        case list():
            return [hostile(part, key) for part in value]
        case _:
            return value


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for ``page_name`` every page in turn."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", PAGES)


@pytest.fixture(scope="session")
def templates() -> jinja2.Environment:
    return make_environment()


@pytest.fixture(scope="session")
def render(templates: jinja2.Environment) -> Callable[..., str]:
    """Return a function that renders the sample of a name, with some of its values replaced or all of them hostile."""

    def render(name: str, *, attacked: bool = False, **more: Any) -> str:
        template, values = PAGES[name]
        values = values | more
        return templates.get_template(template).render(hostile(values) if attacked else values)

    return render


@pytest.fixture(scope="session")
def pages() -> dict[str, tuple[str, Values]]:
    return PAGES


@pytest.fixture(scope="session")
def server_view() -> Callable[..., Values]:
    return server


@pytest.fixture(scope="session")
def hostile_text() -> str:
    return HOSTILE
