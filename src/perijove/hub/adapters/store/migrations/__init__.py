"""Alembic's migrations; a file's name begins with its revision."""
