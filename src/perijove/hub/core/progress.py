"""What a person sees while a server starts: stored, so that any hub process can show it, after a restart too."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from perijove.hub.core.admission import Place
from perijove.hub.core.texts import Sentence, shortened

MAX_MESSAGE_LENGTH = 2000


_TAG = re.compile(r"<[^<>]*>")


def message_of(step: Mapping[str, Any]) -> str:
    """Return what a spawner says of a step of its start, as text: its ``message``, else what its HTML reads like."""
    said = step.get("message")
    if isinstance(said, Sentence):
        return shortened(said, MAX_MESSAGE_LENGTH)
    message = said or html.unescape(_TAG.sub("", str(step.get("html_message") or "")))
    return " ".join(str(message).split())[:MAX_MESSAGE_LENGTH]


class ProgressEvent(Struct, frozen=True):
    """One step of an attempt to start a server.

    Attributes:
        id: grows with every event; 0 before it is stored.
        server_id: the server.
        attempt: which of its starts.
        at: when.
        progress: per cent done.
        message: one sentence.
        outcome: ``ready`` or ``failed`` on the last event of an attempt, else empty.
        queue: where the start stands now, while it waits for its turn; not stored.
    """

    id: int
    server_id: int
    attempt: int
    at: datetime
    progress: int
    message: str
    outcome: str = ""
    queue: Place | None = None

    def as_wire(self, url: str = "", shown: str = "") -> dict[str, Any]:
        """Return the JSON object that clients read from the progress stream.

        Args:
            url: where the server is, for the last event of a start that succeeded.
            shown: the message in the language of whoever reads it; it is English if there is none.
        """
        body: dict[str, Any] = {"progress": self.progress, "message": self.message}
        if shown and shown != self.message:
            body["shown"] = shown
        if self.outcome == "ready":
            body |= {"ready": True, "url": url}
        elif self.outcome == "failed":
            body["failed"] = True
        elif self.queue is not None:
            body["queue"] = self.queue.as_wire()
        return body
