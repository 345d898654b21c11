"""When things were last used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class Activity(Protocol):
    """When things were last used."""

    async def record(
        self, users: Mapping[int, datetime], servers: Mapping[int, datetime], tokens: Mapping[int, datetime]
    ) -> None:
        """Move the stored times, by id, forward to these; never back."""
        ...
