"""The schema. What a column means is said where its dataclass is, in ``hub.core``.

Ids are never used again (AUTOINCREMENT), because tokens and activity reports name rows by id. A token and a role belong
to a user or to a service; each has its own foreign key, so that the database itself takes them away with their owner.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Update,
    bindparam,
    false,
    or_,
    true,
    update,
)

ID: Final = BigInteger().with_variant(Integer, "sqlite")
"""A row's number, 64 bits everywhere; SQLite counts up only what it knows as INTEGER."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UTCTime(TypeDecorator[datetime]):
    """A moment, kept as UTC to the microsecond. Takes and gives times with a time zone only."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as UTC. Raises ValueError if it has no time zone."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("a time without time zone cannot be stored")
        return value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """Return what gives a stored time its time zone: past SQLAlchemy, whose way takes four times as long."""
        return _time_of_text if dialect.name == "sqlite" else _time_in_utc


def _time_of_text(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(f"{stored}+00:00")


def _time_in_utc(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.astimezone(UTC)


WHERE: Final = "where"
"""Under this name stands of which rows there is an index."""


def used(table: Table) -> Update:
    """Return the statement that moves ``last_activity`` of the row with id ``row`` forward to ``at``, never back."""
    older = or_(table.c.last_activity.is_(None), table.c.last_activity < bindparam("at", type_=UTCTime))
    return (
        update(table).where(table.c.id == bindparam("row"), older).values(last_activity=bindparam("at", type_=UTCTime))
    )


def _id() -> Column[int]:
    return Column("id", ID, primary_key=True)


def _belongs_to(name: str, target: str, *, nullable: bool = False, index: bool = True) -> Column[int]:
    return Column(name, ID, ForeignKey(target, ondelete="CASCADE"), nullable=nullable, index=index)


def _managed() -> Column[bool]:
    return Column("managed", Boolean, nullable=False, server_default=false())


def _index_of_wanted(table: Table) -> None:
    """Index the few rows that are to be deleted, and no others."""
    wanted = table.c.remove_wanted
    Index(None, wanted, sqlite_where=wanted, info={WHERE: wanted})


def tell_postgresql() -> None:
    """Say of which rows PostgreSQL keeps an index, too. SQLAlchemy loads all that it has for PostgreSQL for that."""
    for table in metadata.tables.values():
        for index in table.indexes:
            if WHERE in index.info:
                index.dialect_kwargs["postgresql_where"] = index.info[WHERE]


users = Table(
    "users",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("admin", Boolean, nullable=False),
    Column("created", UTCTime, nullable=False),
    Column("last_activity", UTCTime, index=True),
    Column("user_info", JSON(none_as_null=True)),
    Column("remove_wanted", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
_index_of_wanted(users)

auth_states = Table(
    "auth_states",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("encrypted", LargeBinary, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("properties", JSON, nullable=False),
    sqlite_autoincrement=True,
)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", ID, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("password_hash", String(255), nullable=False),
    Column("approved", Boolean, nullable=False, index=True),
    Column("created", UTCTime, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("created", UTCTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("session_id", String(255), nullable=False, unique=True),
    _belongs_to("user_id", "users.id"),
    Column("created", UTCTime, nullable=False),
    Column("expires", UTCTime, nullable=False, index=True),
)

services = Table(
    "services",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("admin", Boolean, nullable=False),
    Column("url", Text, nullable=False, server_default=""),
    Column("command", JSON, nullable=False, server_default="[]"),
    Column("info", JSON, nullable=False, server_default="{}"),
    Column("display", Boolean, nullable=False, server_default=true()),
    Column("oauth_client_id", String(1023), nullable=False, server_default=""),
    Column("oauth_redirect_uri", Text, nullable=False, server_default=""),
    Column("oauth_client_allowed_scopes", JSON, nullable=False, server_default="[]"),
    Column("oauth_no_confirm", Boolean, nullable=False, server_default=false()),
    Column("from_config", Boolean, nullable=False, server_default=true()),
    sqlite_autoincrement=True,
)

servers = Table(
    "servers",
    metadata,
    _id(),
    # The unique constraint below begins with user_id and serves as its index.
    _belongs_to("user_id", "users.id", index=False),
    Column("name", String(255), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("target", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("spawner_state", JSON, nullable=False),
    Column("user_options", JSON, nullable=False),
    Column("failure", JSON(none_as_null=True)),
    Column("requested", UTCTime),
    Column("started", UTCTime),
    Column("last_activity", UTCTime),
    Column("version", Integer, nullable=False),
    Column("owner", String(255), nullable=False, index=True),
    Column("lease_until", UTCTime),
    Column("remove_wanted", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("user_id", "name"),
    sqlite_autoincrement=True,
)
_index_of_wanted(servers)

progress_events = Table(
    "progress_events",
    metadata,
    _id(),
    # The index below begins with server_id.
    _belongs_to("server_id", "servers.id", index=False),
    Column("attempt", Integer, nullable=False),
    Column("at", UTCTime, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("said", JSON(none_as_null=True)),
    Index(None, "server_id", "attempt"),
    sqlite_autoincrement=True,
)

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("client_id", String(1023), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("server_id", ID, ForeignKey("servers.id", ondelete="CASCADE"), unique=True),
    Column("allowed_scopes", JSON, nullable=False),
    Column("service_id", ID, ForeignKey("services.id", ondelete="CASCADE"), unique=True),
    CheckConstraint("(server_id IS NULL) <> (service_id IS NULL)", name="one_owner"),
)

oauth_codes = Table(
    "oauth_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column(
        "client_id", String(1023), ForeignKey("oauth_clients.client_id", ondelete="CASCADE"), nullable=False, index=True
    ),
    _belongs_to("user_id", "users.id"),
    Column("session_id", String(255), nullable=False, index=True),
    Column("scopes", JSON, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("expires_at", UTCTime, nullable=False, index=True),
    Column("code_challenge", String(255), nullable=False),
    Column("code_challenge_method", String(16), nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("token_hash", String(64), nullable=False, unique=True),
    _belongs_to("user_id", "users.id", nullable=True),
    _belongs_to("service_id", "services.id", nullable=True),
    Column("scopes", JSON, nullable=False),
    Column("note", Text, nullable=False),
    # No foreign key: tokens that no OAuth client asked for carry the hub's own client id, which has no row.
    Column("client_id", String(1023), nullable=False, index=True),
    Column("session_id", String(255), index=True),
    _belongs_to("server_id", "servers.id", nullable=True),
    Column("created", UTCTime, nullable=False),
    Column("expires_at", UTCTime, index=True),
    Column("last_activity", UTCTime),
    CheckConstraint("(user_id IS NULL) <> (service_id IS NULL)", name="one_owner"),
    sqlite_autoincrement=True,
)

roles = Table(
    "roles",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("scopes", JSON, nullable=False),
    Column("description", Text, nullable=False),
    _managed(),
    Column("custom", Boolean, nullable=False, server_default=false()),
)

user_roles = Table(
    "user_roles",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(255), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True, index=True),
    _managed(),
)

group_roles = Table(
    "group_roles",
    metadata,
    Column("group_id", ID, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(255), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True, index=True),
    _managed(),
)

service_roles = Table(
    "service_roles",
    metadata,
    Column("service_id", ID, ForeignKey("services.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(255), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True, index=True),
    _managed(),
)

shares = Table(
    "shares",
    metadata,
    _id(),
    # The unique constraints below begin with server_id.
    _belongs_to("server_id", "servers.id", index=False),
    _belongs_to("user_id", "users.id", nullable=True),
    _belongs_to("group_id", "groups.id", nullable=True),
    Column("scopes", JSON, nullable=False),
    Column("created", UTCTime, nullable=False),
    Column("expires", UTCTime, index=True),
    UniqueConstraint("server_id", "user_id"),
    UniqueConstraint("server_id", "group_id"),
    CheckConstraint("(user_id IS NULL) <> (group_id IS NULL)", name="one_holder"),
    sqlite_autoincrement=True,
)

share_codes = Table(
    "share_codes",
    metadata,
    _id(),
    Column("code_hash", String(64), nullable=False, unique=True),
    _belongs_to("server_id", "servers.id"),
    Column("scopes", JSON, nullable=False),
    Column("created", UTCTime, nullable=False),
    Column("expires", UTCTime, nullable=False, index=True),
    Column("exchange_count", Integer, nullable=False),
    Column("last_exchanged", UTCTime),
    sqlite_autoincrement=True,
)

long_actions = Table(
    "long_actions",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("by", String(255), nullable=False),
    Column("total", Integer, nullable=False),
    Column("created", UTCTime, nullable=False, index=True),
    Column("changed", UTCTime, nullable=False),
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("failures", JSON, nullable=False),
    Column("cancel_wanted", Boolean, nullable=False),
    Column("finished", UTCTime),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("until", UTCTime, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("since", UTCTime, nullable=False, index=True),
    Column("count", Integer, nullable=False),
)

pending_sign_ins = Table(
    "pending_sign_ins",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False, index=True),
    Column("next_url", String(4096), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("begun", UTCTime, nullable=False, index=True),
    Column("data", JSON, nullable=False),
    Column("used", Boolean, nullable=False),
)
