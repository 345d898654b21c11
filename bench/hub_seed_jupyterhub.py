"""Fills a database of JupyterHub with its own classes; the order comes as JSON on standard input."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

from jupyterhub import orm  # type: ignore[import-not-found]


def add_server(db: Any, user: Any, url: str, token: str, scopes: list[str]) -> None:
    """A server that runs, with the OAuth client and the token that each has."""
    where = urlsplit(url)
    server = orm.Server(proto="http", ip=where.hostname, port=where.port, base_url=f"/user/{user.name}/")
    client_id = f"jupyterhub-user-{user.name}"
    client = orm.OAuthClient(identifier=client_id, secret="", redirect_uri=f"/user/{user.name}/oauth_callback")
    now = orm.utcnow()
    db.add(
        orm.Spawner(
            user=user,
            name="",
            state={},
            user_options={},
            server=server,
            oauth_client=client,
            started=now,
            last_activity=now,
        )
    )
    own = [scope.replace("!user", f"!user={user.name}").replace("!server", f"!server={user.name}/") for scope in scopes]
    held = orm.APIToken(user=user, client_id="jupyterhub", note=f"Server at /user/{user.name}/", scopes=own)
    held.token = token
    db.add(held)


def fill(order: dict[str, Any]) -> None:
    db = orm.new_session_factory(order["url"])()
    role = orm.Role.find(db, "user")
    scopes = list(orm.Role.find(db, "server").scopes)
    for number in range(order["users"]):
        user = orm.User(name=f"u{number}")
        user.roles.append(role)
        db.add(user)
        if token := order["tokens"].get(user.name):
            add_server(db, user, order["backend"], token, scopes)
    db.commit()


if __name__ == "__main__":
    fill(json.load(sys.stdin))
