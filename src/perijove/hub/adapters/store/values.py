"""JSON as it is stored."""

from __future__ import annotations

import json

from perijove.hub.core.errors import invalid


def json_text(value: object) -> str:
    """Return *value* as JSON. Raises PerijoveError INVALID if it holds anything that JSON cannot."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise invalid("It holds a value that cannot be stored as JSON") from None
