"""What is asked of an upstream hub and of ours alike: a configuration for both, and requests for all of the API."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.exchanges import PAGES, Exchange
from tests.support.hubs import BASE_CONFIG

SERVER = """
import http.server, os, urllib.parse

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass

url = urllib.parse.urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
http.server.ThreadingHTTPServer((url.hostname, url.port), Handler).serve_forever()
"""

TOKENS = {
    name: f"the-token-of-{name}-which-is-long-enough"
    for name in ("root", "lister", "staffer", "namer", "watcher", "starter", "nothing", "grouper", "sharer", "tokener")
}

CONFIG = (
    BASE_CONFIG
    + """
import os, sys
c.Authenticator.admin_users = {{"admin"}}
c.Spawner.cmd = [sys.executable, os.path.abspath("server.py")]
c.SimpleLocalProcessSpawner.home_dir_template = os.path.abspath("homes/{{username}}")
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie_secret"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 3
c.JupyterHub.token_expires_in_max_seconds = 86400 * 365
c.JupyterHub.custom_scopes = {{"custom:mail:read": {{"description": "Read mail"}},
    "custom:mail": {{"description": "All of mail", "subscopes": ["custom:mail:read"]}}}}
c.JupyterHub.load_groups = {{
    "staff": {{"users": ["ada", "grace"], "properties": {{"room": 4}}}}, "guests": {{"users": ["bob"]}},
}}
c.JupyterHub.services = [
    {{"name": "root", "api_token": "the-token-of-root-which-is-long-enough", "admin": True}},
    {{"name": "oauth", "api_token": "the-token-of-oauth-which-is-long-enough",
      "oauth_client_id": "service-oauth", "oauth_redirect_uri": "http://127.0.0.1:1/callback"}},
]
roles = {{
    "lister": ["list:users"],
    "staffer": ["list:users!group=staff", "read:users!group=staff", "servers!group=staff", "admin:users!group=staff"],
    "namer": ["read:users:name"],
    "watcher": ["read:servers!server=ada/", "read:users:activity!user=ada"],
    "starter": ["servers!user=ada", "list:users"],
    "nothing": [],
    "grouper": ["admin:groups", "list:services", "read:roles"],
    "sharer": ["shares", "read:users:name", "read:groups:name", "servers!user=ada"],
    "tokener": ["tokens", "read:users:name"],
}}
c.JupyterHub.load_roles = []
for name, scopes in roles.items():
    c.JupyterHub.services.append({{"name": name, "api_token": f"the-token-of-{{name}}-which-is-long-enough"}})
    c.JupyterHub.load_roles.append({{"name": f"{{name}}s", "services": [name], "scopes": scopes}})
"""
)

PAGED = {"Accept": PAGES}
LOOKS = (
    "",
    "/user",
    "/info",
    "/users",
    "/users/ada",
    "/users/bob",
    "/users/nobody",
    "/users/ada/tokens",
    "/users/ada/server",
    "/users/ada/servers/",
    "/users/ada/servers/lab",
    "/users/ada/shared",
    "/groups",
    "/groups/staff",
    "/groups/none",
    "/groups/staff/shared",
    "/services",
    "/services/oauth",
    "/services/none",
    "/shares/ada",
    "/shares/ada/",
    "/shares/ada/lab",
    "/share-codes/ada",
    "/proxy",
    "/nothing/here",
)


def scenario() -> list[Exchange]:
    """Return all requests, in order."""
    return [
        *_users(),
        *_servers(),
        *_groups(),
        *_tokens(),
        *_services(),
        *_shares(),
        *_hub(),
        *_looks(),
        *_forbidden(),
        *_endings(),
    ]


def _users() -> Iterator[Exchange]:
    root = "root"
    yield Exchange(root, "POST", "/users", {"usernames": ["carol", "Dave", "erin"]})
    yield Exchange(root, "POST", "/users", {"usernames": ["carol", "frank"]})
    yield Exchange(root, "POST", "/users", {"usernames": ["carol"]})
    yield Exchange(root, "POST", "/users", {"usernames": []})
    yield Exchange(root, "POST", "/users", {"usernames": ["a/b"]})
    yield Exchange(root, "POST", "/users", {"usernames": "carol"})
    yield Exchange(root, "POST", "/users", {"usernames": ["x1"], "unknown": 1})
    yield Exchange(root, "POST", "/users", {"usernames": ["boss"], "admin": True})
    yield Exchange(root, "POST", "/users", raw="{")
    yield Exchange(root, "POST", "/users", [])
    yield Exchange(root, "POST", "/users")
    yield Exchange(root, "POST", "/users/heidi")
    yield Exchange(root, "POST", "/users/heidi")
    yield Exchange(root, "POST", "/users/ivan", {"admin": True})
    yield Exchange(root, "POST", "/users/judy", {"admin": "yes"})
    yield Exchange(root, "POST", "/users/judy", {"nonsense": 1})
    yield Exchange(root, "PATCH", "/users/heidi", {"admin": True})
    yield Exchange(root, "PATCH", "/users/heidi", {"admin": False})
    yield Exchange(root, "PATCH", "/users/heidi", {"admin": "no"})
    yield Exchange(root, "PATCH", "/users/heidi", {"name": "hedwig"})
    yield Exchange(root, "PATCH", "/users/hedwig", {"name": "carol"})
    yield Exchange(root, "PATCH", "/users/hedwig", {"nonsense": 1})
    yield Exchange(root, "PATCH", "/users/nobody", {"admin": True})
    yield Exchange(root, "GET", "/users/heidi")
    yield Exchange(root, "GET", "/users/hedwig")
    yield Exchange("staffer", "PATCH", "/users/grace", {"admin": True})
    yield Exchange("staffer", "PATCH", "/users/carol", {"admin": False})
    for query in ("sort=name", "sort=-name", "sort=-last_activity", "sort=age", "name_filter=A", "state=active"):
        yield Exchange(root, "GET", f"/users?{query}")
    for query in (
        "state=ready",
        "state=inactive",
        "state=asleep",
        "limit=2",
        "limit=2&offset=1",
        "limit=x",
        "limit=-2",
    ):
        yield Exchange(root, "GET", f"/users?{query}", headers=PAGED)
    yield Exchange(root, "GET", "/users?limit=1000000&offset=100000", headers=PAGED)
    yield Exchange(root, "POST", "/users/carol/activity", {"last_activity": "2026-01-01T00:00:00Z"})
    yield Exchange(root, "POST", "/users/carol/activity", {"last_activity": "soon"})
    yield Exchange(root, "POST", "/users/carol/activity", {"last_activity": "2999-01-01T00:00:00Z"})
    yield Exchange(
        root, "POST", "/users/carol/activity", {"servers": {"none": {"last_activity": "2026-01-01T00:00:00Z"}}}
    )
    yield Exchange(root, "POST", "/users/carol/activity", {})
    yield Exchange(root, "POST", "/users/nobody/activity", {"last_activity": "2026-01-01T00:00:00Z"})
    yield Exchange(root, "DELETE", "/users/erin")
    yield Exchange(root, "DELETE", "/users/erin")
    yield Exchange("lister", "DELETE", "/users/carol")
    yield Exchange("lister", "POST", "/users/kim")


def _servers() -> Iterator[Exchange]:
    root = "root"
    yield Exchange(root, "GET", "/users/ada/server")
    yield Exchange(root, "POST", "/users/ada/server", {"user_options": {"size": "small"}})
    yield Exchange(root, "GET", "/users/ada/server")
    yield Exchange(root, "POST", "/users/ada/server")
    yield Exchange(root, "GET", "/users/ada")
    yield Exchange("watcher", "GET", "/users/ada")
    yield Exchange(root, "GET", "/users?state=ready", headers=PAGED)
    yield Exchange(root, "GET", "/users?state=active")
    yield Exchange(root, "POST", "/users/ada/activity", {"servers": {"": {"last_activity": "2026-01-01T00:00:00Z"}}})
    yield Exchange(root, "POST", "/users/ada/servers/lab", {"display_name": "Lab", "user_options": {"a": 1}})
    yield Exchange(root, "GET", "/users/ada/servers/lab")
    yield Exchange(root, "PATCH", "/users/ada/servers/lab", {"display_name": "Other"})
    yield Exchange(root, "DELETE", "/users/ada/servers/lab")
    yield Exchange(root, "DELETE", "/users/ada/servers/lab")
    yield Exchange(root, "PATCH", "/users/ada/servers/lab", {"display_name": "Other"})
    yield Exchange(root, "PATCH", "/users/ada/servers/lab", {"user_options": {"b": 2}})
    yield Exchange(root, "PATCH", "/users/ada/servers/lab", {"name": "den"})
    yield Exchange(root, "PATCH", "/users/ada/servers/lab", {"name": "den"})
    yield Exchange(root, "PATCH", "/users/ada/servers/den", {})
    yield Exchange(root, "PATCH", "/users/ada/servers/den", {"name": "lab"})
    yield Exchange(root, "PUT", "/users/ada/servers/new", {"display_name": "New"})
    yield Exchange(root, "PUT", "/users/ada/servers/new", {"display_name": "New"})
    yield Exchange(root, "PUT", "/users/ada/servers/Not-a-name", {})
    yield Exchange(root, "PUT", "/users/ada/servers/")
    yield Exchange(root, "PUT", "/users/nobody/servers/new")
    yield Exchange(root, "PUT", "/users/ada/servers/third")
    yield Exchange(root, "PUT", "/users/ada/servers/fourth")
    yield Exchange(root, "POST", "/users/ada/servers/Not-a-name")
    yield Exchange(root, "POST", "/users/ada/servers/lab", [1])
    yield Exchange(root, "POST", "/users/ada/servers/lab", {"user_options": 5})
    yield Exchange(root, "GET", "/users/ada?include_stopped_servers=1")
    yield Exchange(root, "GET", "/users/ada/servers/none")
    yield Exchange(root, "GET", "/users/ada/servers/lab/progress")
    yield Exchange(root, "GET", "/users/ada/servers/none/progress")
    yield Exchange(root, "GET", "/users/nobody/server/progress")
    yield Exchange(root, "DELETE", "/users/ada/servers/third", {"remove": True})
    yield Exchange(root, "DELETE", "/users/ada/servers/third", {"remove": True})
    yield Exchange(root, "DELETE", "/users/ada/server", {"remove": True})
    yield Exchange(root, "DELETE", "/users/nobody/server")
    yield Exchange("staffer", "POST", "/users/grace/server")
    yield Exchange("staffer", "POST", "/users/bob/server")
    yield Exchange("starter", "POST", "/users/grace/server")
    yield Exchange("staffer", "GET", "/users/grace")
    yield Exchange("staffer", "DELETE", "/users/grace/server", until=204)
    yield Exchange("lister", "POST", "/users/grace/server")


def _groups() -> Iterator[Exchange]:
    for caller in ("grouper", "root"):
        yield Exchange(caller, "POST", "/groups", {"groups": [f"{caller}-1", f"{caller}-2"], "users": ["carol"]})
        yield Exchange(caller, "POST", "/groups", {"groups": [f"{caller}-1"]})
        yield Exchange(caller, "POST", "/groups", {"groups": []})
        yield Exchange(caller, "POST", "/groups", {})
        yield Exchange(caller, "POST", f"/groups/{caller}-3", {"users": ["carol", "ada"]})
        yield Exchange(caller, "POST", f"/groups/{caller}-3")
        yield Exchange(caller, "POST", f"/groups/{caller}-4", {"users": ["nobody"]})
        yield Exchange(caller, "POST", f"/groups/{caller}-5", {"nonsense": 1})
        yield Exchange(caller, "GET", f"/groups/{caller}-3")
        yield Exchange(caller, "POST", f"/groups/{caller}-3/users", {"users": ["bob"]})
        yield Exchange(caller, "POST", f"/groups/{caller}-3/users", {"users": ["nobody"]})
        yield Exchange(caller, "POST", f"/groups/{caller}-3/users", {})
        yield Exchange(caller, "POST", f"/groups/{caller}-3/users", {"users": "bob"})
        yield Exchange(caller, "POST", "/groups/none/users", {"users": ["bob"]})
        yield Exchange(caller, "DELETE", f"/groups/{caller}-3/users", {"users": ["bob"]})
        yield Exchange(caller, "DELETE", f"/groups/{caller}-3/users", {"users": ["bob"]})
        yield Exchange(caller, "DELETE", f"/groups/{caller}-3/users", {"users": ["nobody"]})
        yield Exchange(caller, "PUT", f"/groups/{caller}-3/properties", {"a": {"b": [1]}})
        yield Exchange(caller, "PUT", f"/groups/{caller}-3/properties", [1])
        yield Exchange(caller, "PUT", "/groups/none/properties", {})
        yield Exchange(caller, "GET", "/groups", headers=PAGED)
        yield Exchange(caller, "GET", "/groups?limit=1", headers=PAGED)
        yield Exchange(caller, "GET", "/users/carol")
        yield Exchange(caller, "DELETE", f"/groups/{caller}-2")
        yield Exchange(caller, "DELETE", f"/groups/{caller}-2")
    yield Exchange("lister", "POST", "/groups/x")


def _tokens() -> Iterator[Exchange]:
    keep = {"ada": "token", "ada_id": "id"}
    yield Exchange("root", "POST", "/users/ada/tokens", {"note": "all"}, keep=keep)
    yield Exchange("root", "POST", "/users/bob/tokens", {}, keep={"bob": "token"})
    yield Exchange("root", "POST", "/users/admin/tokens", {}, keep={"admin": "token"})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"scopes": ["read:users:name!user"]}, keep={"weak": "token"})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"scopes": ["self"], "expires_in": 60}, keep={"short": "token"})
    yield Exchange(
        "ada", "POST", "/users/ada/tokens", {"scopes": ["access:servers!server=ada/"]}, keep={"door": "token"}
    )
    yield Exchange("ada", "POST", "/users/ada/tokens", {"roles": ["user"]})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"roles": ["admin"]})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"roles": ["none"]})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"roles": ["user"], "scopes": ["self"]})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"scopes": ["admin:users"]})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"scopes": ["no:such:scope"]})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"scopes": "self"})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"scopes": ["custom:mail"]})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"expires_in": "soon"})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"expires_in": 86400 * 366})
    yield Exchange("ada", "POST", "/users/ada/tokens", {"expires_in": None})
    yield Exchange("ada", "POST", "/users/bob/tokens", {})
    yield Exchange("tokener", "POST", "/users/bob/tokens", {"note": "for bob"})
    yield Exchange("tokener", "POST", "/users/nobody/tokens", {})
    yield Exchange("", "POST", "/users/ada/tokens", {"auth": {"username": "ada", "password": "x"}})
    yield Exchange("", "POST", "/users/ada/tokens", {"auth": {"username": "bob", "password": "x"}})
    yield Exchange("", "POST", "/users/ada/tokens", {})
    yield Exchange("ada", "GET", "/users/ada/tokens")
    yield Exchange("ada", "GET", "/users/ada/tokens/{ada_id}")
    yield Exchange("bob", "GET", "/users/ada/tokens/{ada_id}")
    yield Exchange("ada", "GET", "/users/ada/tokens/a999999")
    yield Exchange("ada", "GET", "/users/ada/tokens/nonsense")
    yield Exchange("ada", "POST", "/users/ada/tokens", {"note": "brief"}, keep={"brief": "token", "brief_id": "id"})
    yield Exchange("brief", "GET", "/user")
    yield Exchange("ada", "DELETE", "/users/ada/tokens/{brief_id}")
    yield Exchange("ada", "DELETE", "/users/ada/tokens/{brief_id}")
    yield Exchange("brief", "GET", "/user")
    yield Exchange("root", "GET", "/authorizations/token/none")


def _services() -> Iterator[Exchange]:
    spec = {"info": {"a": 1}, "display": False}
    yield Exchange("root", "POST", "/services/runtime", spec)
    yield Exchange("root", "POST", "/services/runtime", spec)
    yield Exchange("root", "GET", "/services/runtime")
    yield Exchange("root", "POST", "/services/managed", {"command": ["true"]})
    yield Exchange("root", "POST", "/services/wrong", {"nonsense": 1})
    yield Exchange("root", "POST", "/services/wrong", {"url": 5})
    yield Exchange("root", "POST", "/services/wrong", {"oauth_client_id": "other", "oauth_redirect_uri": "/x"})
    yield Exchange("root", "POST", "/services/Wrong Name", {})
    yield Exchange("root", "DELETE", "/services/oauth")
    yield Exchange("root", "DELETE", "/services/none")
    yield Exchange("root", "DELETE", "/services/runtime")
    yield Exchange("root", "GET", "/services/runtime")
    yield Exchange("ada", "POST", "/services/mine", {})


def _shares() -> Iterator[Exchange]:
    for caller in ("sharer", "root"):
        yield Exchange(caller, "POST", "/shares/ada/", {"user": "bob"})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "bob"})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "bob", "scopes": ["access:servers", "servers"]})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"group": "staff"})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "nobody"})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"group": "none"})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "bob", "group": "staff"})
        yield Exchange(caller, "POST", "/shares/ada/lab", {})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "bob", "nonsense": 1})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "bob", "scopes": ["read:users"]})
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "bob", "scopes": ["access:servers!server=bob/"]})
        yield Exchange(caller, "POST", "/shares/ada/none", {"user": "bob"})
        yield Exchange(caller, "POST", "/shares/ada", {"user": "bob"})
        yield Exchange(caller, "GET", "/shares/ada")
        yield Exchange(caller, "GET", "/shares/ada/lab")
        yield Exchange(caller, "GET", "/shares/ada/lab?limit=1", headers=PAGED)
        yield Exchange(caller, "GET", "/users/bob/shared")
        yield Exchange("bob", "GET", "/users/bob/shared")
        yield Exchange("bob", "GET", "/users/bob/shared/ada/lab")
        yield Exchange("bob", "GET", "/users/bob/shared/ada/none")
        yield Exchange(caller, "GET", "/groups/staff/shared")
        yield Exchange(caller, "GET", "/groups/staff/shared/ada/lab")
        yield Exchange("bob", "GET", "/users/ada/server")
        yield Exchange("bob", "GET", "/user")
        yield Exchange(caller, "PATCH", "/shares/ada/lab", {"user": "bob", "scopes": ["servers!server=ada/lab"]})
        yield Exchange(caller, "PATCH", "/shares/ada/lab", {"user": "nobody"})
        yield Exchange(caller, "PATCH", "/shares/ada/lab", {})
        yield Exchange(caller, "PATCH", "/shares/ada/lab", {"user": "bob"})
        yield Exchange("bob", "DELETE", "/users/bob/shared/ada/")
        yield Exchange("bob", "DELETE", "/users/bob/shared/ada/")
        yield Exchange(caller, "DELETE", "/groups/staff/shared/ada/lab")
        yield Exchange(caller, "POST", "/share-codes/ada/lab", {}, keep={"code": "code", "code_id": "id"})
        yield Exchange(caller, "POST", "/share-codes/ada/lab", {"expires_in": 3600, "scopes": ["access:servers"]})
        yield Exchange(caller, "POST", "/share-codes/ada/lab", {"expires_in": 5})
        yield Exchange(caller, "POST", "/share-codes/ada/lab", {"nonsense": 5})
        yield Exchange(caller, "POST", "/share-codes/ada/none", {})
        yield Exchange(caller, "GET", "/share-codes/ada")
        yield Exchange(caller, "GET", "/share-codes/ada/lab")
        yield Exchange(caller, "DELETE", "/share-codes/ada/lab?code={code}")
        yield Exchange(caller, "DELETE", "/share-codes/ada/lab?id=sc_999")
        yield Exchange(caller, "DELETE", "/share-codes/ada/lab?id={code_id}")
        yield Exchange(caller, "DELETE", "/share-codes/ada/lab")
        yield Exchange(caller, "DELETE", "/shares/ada/lab")
    yield Exchange("ada", "POST", "/shares/ada/lab", {"user": "bob"})
    yield Exchange("ada", "POST", "/share-codes/ada/lab", {})
    yield Exchange("bob", "POST", "/shares/ada/lab", {"user": "bob"})
    yield Exchange("bob", "GET", "/shares/ada")
    yield Exchange("bob", "POST", "/share-codes/ada/lab", {})


def _hub() -> Iterator[Exchange]:
    yield Exchange("root", "GET", "/info")
    yield Exchange("root", "GET", "/proxy")
    yield Exchange("root", "GET", "/proxy?limit=1", headers=PAGED)
    yield Exchange("root", "POST", "/proxy")
    yield Exchange("root", "PATCH", "/proxy", {"api_url": 5})
    yield Exchange("root", "POST", "/shutdown", {"proxy": "no"})
    yield Exchange("root", "GET", "/metrics")
    yield Exchange("nothing", "GET", "/metrics")
    yield Exchange("", "GET", "/health")
    yield Exchange("", "HEAD", "/health")
    yield Exchange("", "GET", "/oauth2/token")
    yield Exchange("", "POST", "/oauth2/token", {})
    yield Exchange("", "OPTIONS", "/users")
    yield Exchange("root", "PUT", "/users")
    yield Exchange("root", "GET", "/users/ada/servers/lab", headers={"Authorization": "token"})


def _looks() -> Iterator[Exchange]:
    callers = ("", "root", "ada", "bob", "admin", "weak", "door", *TOKENS)
    for caller in dict.fromkeys(callers):
        for path in LOOKS:
            yield Exchange(caller, "GET", path)


def _forbidden() -> Iterator[Exchange]:
    for caller in ("", "bob", "weak", "nothing", "namer"):
        yield Exchange(caller, "POST", "/users", {"usernames": ["zoe"]})
        yield Exchange(caller, "PATCH", "/users/ada", {"admin": True})
        yield Exchange(caller, "DELETE", "/users/ada")
        yield Exchange(caller, "POST", "/users/ada/server")
        yield Exchange(caller, "DELETE", "/users/ada/server")
        yield Exchange(caller, "PUT", "/users/ada/servers/zoo")
        yield Exchange(caller, "POST", "/users/ada/activity", {"last_activity": "2026-01-01T00:00:00Z"})
        yield Exchange(caller, "DELETE", "/users/ada/tokens/a1")
        yield Exchange(caller, "POST", "/groups/zoo")
        yield Exchange(caller, "DELETE", "/groups/staff")
        yield Exchange(caller, "PUT", "/groups/staff/properties", {})
        yield Exchange(caller, "POST", "/services/zoo", {})
        yield Exchange(caller, "DELETE", "/services/oauth")
        yield Exchange(caller, "POST", "/shares/ada/lab", {"user": "bob"})
        yield Exchange(caller, "POST", "/proxy")
        yield Exchange(caller, "POST", "/shutdown")


def _endings() -> Iterator[Exchange]:
    yield Exchange("root", "DELETE", "/users/ada/server", until=204)
    yield Exchange("root", "DELETE", "/users/ada/server")
    yield Exchange("root", "DELETE", "/users/ada")
    yield Exchange("ada", "GET", "/user")
    yield Exchange("root", "GET", "/groups/staff")
    yield Exchange("root", "POST", "/users/ada")
    yield Exchange("ada", "GET", "/user")
