"""What a hub writes down of the proxy it started, for the next hub to find it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from msgspec import Struct

from perijove.hub.adapters.processes import ProcessIdentity


class ProxyRecord(Struct, frozen=True):
    """A proxy that was started.

    Attributes:
        process: which process it is.
        command: with which arguments it was started; they hold no secret.
    """

    process: ProcessIdentity
    command: tuple[str, ...]


def read(path: Path) -> ProxyRecord | None:
    """Return the record in the file; None if there is none or it is of another kind. Raises OSError."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    command = data.get("command") if isinstance(data, dict) else None
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        return None
    process = ProcessIdentity.from_dict(data)
    return ProxyRecord(process, tuple(command)) if process else None


def write(path: Path, record: ProxyRecord) -> None:
    """Put the record in the file, whole or not at all, for us alone (mode 0600). Raises OSError."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    with draft.open("w", encoding="utf-8") as file:
        json.dump(record.process.to_dict() | {"command": list(record.command)}, file)
    draft.replace(path)
