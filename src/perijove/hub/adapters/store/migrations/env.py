"""Called by Alembic; always with a connection of ours, in whose transaction everything happens."""

from __future__ import annotations

from alembic import context

from perijove.hub.adapters.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
