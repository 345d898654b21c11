"""What ends with something else and hangs on it by no foreign key."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, select

from perijove.hub.adapters.store.tables import oauth_clients, oauth_codes, sessions, tokens


def end_sessions(connection: Connection, which: ColumnElement[bool]) -> int:
    """Delete the sessions for which *which* holds, with what was issued in them; return how many sessions."""
    ids = select(sessions.c.session_id).where(which)
    connection.execute(delete(tokens).where(tokens.c.session_id.in_(ids)))
    connection.execute(delete(oauth_codes).where(oauth_codes.c.session_id.in_(ids)))
    return connection.execute(delete(sessions).where(which)).rowcount


def delete_clients(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete the OAuth clients for which *which* holds, with the tokens and codes issued to them."""
    ids = select(oauth_clients.c.client_id).where(which)
    connection.execute(delete(tokens).where(tokens.c.client_id.in_(ids)))
    connection.execute(delete(oauth_clients).where(which))
