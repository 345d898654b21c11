"""What strangers send cannot forge or flood a log line."""

from __future__ import annotations

from perijove.proxy.core.text import MAX_SHOWN, printable


def test_what_strangers_send_is_bounded_and_printable() -> None:
    assert printable("/a\n2026 INFO forged\x1b[0m") == "/a\\n2026 INFO forged\\x1b[0m"
    assert printable("é") == "\\xe9"
    assert len(printable("a" * 1000)) == MAX_SHOWN
