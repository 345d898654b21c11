"""A client that openapi-python-client makes of our OpenAPI document: typed throughout, and it does its work."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.hubs import OPS_TOKEN, PERIJOVE, UPSTREAM_CONFIG, RunningHub

TIMEOUT = 240
SHARING = """
c.JupyterHub.allow_named_servers = True
c.JupyterHub.load_roles[0]["scopes"] += ["shares", "read:users:shares", "list:groups", "admin:groups"]
"""
JOB = '''
"""Does with the generated client what services and scripts do with a hub."""

import sys
import time
from datetime import datetime

from hub_client import AuthenticatedClient, Client
from hub_client.api.groups import add_members, create_group, get_group
from hub_client.api.hub import get_info, get_version
from hub_client.api.servers import follow_named_server, get_named_server, start_named_server, stop_named_server
from hub_client.api.shares import list_shares, share_server
from hub_client.api.tokens import create_token, list_tokens, revoke_token
from hub_client.api.users import create_user, create_users, delete_user, get_self, get_user, list_users
from hub_client.models import (
    AddMembersBody,
    CreateTokenBody,
    CreateUsersBody,
    Error,
    Group,
    Info,
    ListUsersSort,
    SelfService,
    SelfUser,
    Server,
    Share,
    ShareServerBody,
    SharePage,
    StopNamedServerBody,
    Token,
    Tokens,
    User,
    UserServers,
    Version,
)

url, token = sys.argv[1:]
anybody = Client(base_url=url)
ops = AuthenticatedClient(base_url=url, token=token, prefix="token")

version = get_version.sync(client=anybody)
assert isinstance(version, Version), version
info = get_info.sync(client=ops)
assert isinstance(info, Info), info
assert info.version == version.version
me = get_self.sync(client=ops)
assert isinstance(me, SelfService), me
assert me.name == "ops"

created = create_users.sync(client=ops, body=CreateUsersBody(usernames=["ada", "otto"]))
assert isinstance(created, list), created
assert [user.name for user in created] == ["ada", "otto"]
listed = list_users.sync(client=ops, sort=ListUsersSort("-name"), limit=1)
assert isinstance(listed, list), listed
assert [user.name for user in listed] == ["otto"]
again = create_user.sync(client=ops, user_name="ada")
assert isinstance(again, Error), again
assert (again.status, "exists" in again.message) == (409, True)

made = create_token.sync(client=ops, user_name="ada", body=CreateTokenBody(note="for a test", expires_in=3600))
assert isinstance(made, Token), made
assert isinstance(made.token, str)
assert isinstance(made.expires_at, datetime)
ada = AuthenticatedClient(base_url=url, token=made.token, prefix="token")
herself = get_self.sync(client=ada)
assert isinstance(herself, SelfUser), herself
assert herself.name == "ada"

start_named_server.sync_detailed(client=ada, user_name="ada", server_name="lab")
told = follow_named_server.sync(client=ada, user_name="ada", server_name="lab")
assert isinstance(told, str), told
assert '"ready": true' in told, told
server = get_named_server.sync(client=ada, user_name="ada", server_name="lab")
assert isinstance(server, Server), server
assert server.ready
assert server.url == "/user/ada/lab/"

shared = share_server.sync(client=ops, user_name="ada", server_name="lab", body=ShareServerBody(user="otto"))
assert isinstance(shared, Share), shared
assert shared.scopes == ["access:servers!server=ada/lab"]
shares = list_shares.sync(client=ada, user_name="ada", server_name="lab")
assert isinstance(shares, SharePage), shares
assert [share.user.name for share in shares.items if share.user] == ["otto"]

group = create_group.sync(client=ops, group_name="team")
assert isinstance(group, Group), group
add_members.sync_detailed(client=ops, group_name="team", body=AddMembersBody(users=["ada"]))
group = get_group.sync(client=ops, group_name="team")
assert isinstance(group, Group), group
assert group.users == ["ada"]

stop_named_server.sync_detailed(client=ada, user_name="ada", server_name="lab", body=StopNamedServerBody(remove=True))
user = get_user.sync(client=ops, user_name="ada", include_stopped_servers=True)
for _ in range(600):
    assert isinstance(user, User), user
    if isinstance(user.servers, UserServers) and not user.servers.additional_properties:
        break
    time.sleep(0.1)
    user = get_user.sync(client=ops, user_name="ada", include_stopped_servers=True)
tokens = list_tokens.sync(client=ops, user_name="ada")
assert isinstance(tokens, Tokens), tokens
for each in tokens.api_tokens:
    revoke_token.sync_detailed(client=ops, user_name="ada", token_id=each.id)
refused = get_self.sync(client=ada)
assert isinstance(refused, Error), refused
assert refused.status == 403
assert delete_user.sync_detailed(client=ops, user_name="ada").status_code == 204
print("done")
'''


@pytest.fixture(scope="module")
def hub(make_hub: Callable[..., RunningHub]) -> RunningHub:
    """A hub that the client works with."""
    hub = make_hub(config=UPSTREAM_CONFIG + SHARING)
    hub.start()
    return hub


def test_it_is_typed_throughout_and_does_its_work(hub: RunningHub, generator: Path, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(run(tmp_path, PERIJOVE, "openapi"))
    (tmp_path / "settings.json").write_text('{"post_hooks": []}')
    run(
        tmp_path,
        generator / "openapi-python-client",
        "generate",
        "--fail-on-warning",
        "--path=openapi.json",
        "--config=settings.json",
        "--meta=none",
        "--output-path=hub_client",
    )
    (tmp_path / "job.py").write_text(JOB)
    run(tmp_path, generator / "mypy", "--strict", "hub_client", "job.py")
    assert run(tmp_path, generator / "python", "job.py", hub.url, OPS_TOKEN) == "done\n"


def run(folder: Path, program: Path, *arguments: str) -> str:
    """Run *program* in *folder* and return what it printed; fail with all it said if it fails."""
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, f"{program.name} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout
