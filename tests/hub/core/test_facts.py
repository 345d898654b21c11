from __future__ import annotations

from perijove.hub.core.facts import Origin, seconds_words, server_words


def test_what_nobody_asked_for_comes_from_the_hub() -> None:
    assert Origin() == Origin("hub", "", "", "")


def test_servers_and_durations_in_words() -> None:
    assert server_words("ada/") == "Server of ada"
    assert server_words("ada/lab") == "Server lab of ada"
    assert seconds_words(1.26) == "1.3 s"
