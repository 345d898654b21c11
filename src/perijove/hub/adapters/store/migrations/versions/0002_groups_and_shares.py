"""Groups, shares, services made while the hub runs, roles from the authenticator, counted attempts.

Tables with ids of their own are never made anew, because SQLite would then give ids out again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _users()
    _groups()
    _services()
    _roles()
    _shares()
    _attempts()


def _flag(name: str, default: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.true() if default else sa.false(), nullable=False)


def _belongs_to(table: str, column: str, other: str, key: str = "id") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.{key}"], name=name, ondelete="CASCADE")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _index(table: str, column: str, **options: Any) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column], **options)


def _users() -> None:
    op.add_column("users", sa.Column("user_info", sa.JSON(none_as_null=True), nullable=True))
    for table in ("users", "servers"):
        op.add_column(table, _flag("remove_wanted"))
        wanted = sa.text("remove_wanted")
        _index(table, "remove_wanted", sqlite_where=wanted, postgresql_where=wanted)
    op.create_table(
        "auth_states",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("encrypted", sa.LargeBinary(), nullable=False),
        _belongs_to("auth_states", "user_id", "users"),
        _primary("auth_states", "user_id"),
    )


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        _primary("groups", "id"),
        _unique("groups", "name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("group_id", ID, nullable=False),
        _belongs_to("memberships", "group_id", "groups"),
        _belongs_to("memberships", "user_id", "users"),
        _primary("memberships", "user_id", "group_id"),
    )
    _index("memberships", "group_id")


def _services() -> None:
    for column in (
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("command", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("info", sa.JSON(), server_default="{}", nullable=False),
        _flag("display", True),
        sa.Column("oauth_client_id", sa.String(length=1023), server_default="", nullable=False),
        sa.Column("oauth_redirect_uri", sa.Text(), server_default="", nullable=False),
        sa.Column("oauth_client_allowed_scopes", sa.JSON(), server_default="[]", nullable=False),
        _flag("oauth_no_confirm"),
        _flag("from_config", True),
    ):
        op.add_column("services", column)
    with op.batch_alter_table("oauth_clients") as clients:
        clients.alter_column("server_id", existing_type=ID, nullable=True)
        clients.drop_column("server_name")
        clients.add_column(sa.Column("service_id", ID, nullable=True))
        clients.create_unique_constraint(op.f("uq_oauth_clients_service_id"), ["service_id"])
        clients.create_foreign_key(
            op.f("fk_oauth_clients_service_id_services"), "services", ["service_id"], ["id"], ondelete="CASCADE"
        )
        clients.create_check_constraint(
            op.f("ck_oauth_clients_one_owner"), sa.text("(server_id IS NULL) <> (service_id IS NULL)")
        )


def _roles() -> None:
    op.create_table(
        "group_roles",
        sa.Column("group_id", ID, nullable=False),
        sa.Column("role", sa.String(length=255), nullable=False),
        _flag("managed"),
        _belongs_to("group_roles", "group_id", "groups"),
        _belongs_to("group_roles", "role", "roles", "name"),
        _primary("group_roles", "group_id", "role"),
    )
    _index("group_roles", "role")
    for table in ("roles", "user_roles", "service_roles"):
        op.add_column(table, _flag("managed"))


def _shares() -> None:
    op.create_table(
        "shares",
        sa.Column("id", ID, nullable=False),
        sa.Column("server_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("group_id", ID, nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(user_id IS NULL) <> (group_id IS NULL)", name=op.f("ck_shares_one_holder")),
        _belongs_to("shares", "group_id", "groups"),
        _belongs_to("shares", "server_id", "servers"),
        _belongs_to("shares", "user_id", "users"),
        _primary("shares", "id"),
        _unique("shares", "server_id", "group_id"),
        _unique("shares", "server_id", "user_id"),
        sqlite_autoincrement=True,
    )
    for column in ("expires", "group_id", "user_id"):
        _index("shares", column)
    op.create_table(
        "share_codes",
        sa.Column("id", ID, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("server_id", ID, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exchange_count", sa.Integer(), nullable=False),
        sa.Column("last_exchanged", sa.DateTime(timezone=True), nullable=True),
        _belongs_to("share_codes", "server_id", "servers"),
        _primary("share_codes", "id"),
        _unique("share_codes", "code_hash"),
        sqlite_autoincrement=True,
    )
    for column in ("expires", "server_id"):
        _index("share_codes", column)


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _primary("attempts", "kind", "key_hash"),
    )
    _index("attempts", "since")
