from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perijove.hub.core.failures import CAUSES, Cause, crashed, ended, timed_out
from perijove.hub.core.servers import Failure
from perijove.hub.core.texts import in_language, say
from perijove.hub.web.languages import LANGUAGES, choose, texts

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("chosen", "wishes", "language"),
    [
        ("", "", "en"),
        ("", "de", "de"),
        ("", "fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("", "en;q=0.5, de-AT;q=0.7", "de"),
        ("", "ja,de;q=0", "en"),
        ("", "ja;q=1,fr;q=0.1", "fr"),
        ("", "de;q=rather,fr", "fr"),
        ("", "*", "en"),
        ("fr", "de", "fr"),
        ("tlh", "de", "de"),
    ],
)
def test_a_visitor_gets_what_they_chose_or_what_their_browser_wishes(chosen: str, wishes: str, language: str) -> None:
    assert choose(chosen, wishes) == language


def test_endless_wishes_are_not_read() -> None:
    assert choose("", "ja," * 21 + "de") == "en"
    assert choose("", "x" * 500 + ",de") == "en"


def test_every_language_has_its_texts() -> None:
    assert {language: texts(language).gettext("Running") for language in LANGUAGES} == {
        "en": "Running",
        "de": "Läuft",
        "fr": "En marche",
    }


def test_the_empty_text_is_empty_in_every_language() -> None:
    assert [texts(language).gettext("") for language in LANGUAGES] == [""] * len(LANGUAGES)


def test_the_catalogues_are_complete_and_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "translate"), "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


FAILURES = [
    *(ended(status, "", while_starting=starting) for status in (None, 3, -9, -999) for starting in (True, False)),
    ended(1, "sh: 1: perijove-singleuser: not found", while_starting=True),
    ended(1, "OSError: [Errno 28] No space left on device", while_starting=True),
    ended(1, "OSError: [Errno 13] Permission denied: '/home/ada'", while_starting=False),
    ended(126, "sh: 1: /x/server: Permission denied", while_starting=False),
    ended(-9, "", while_starting=False, out_of_memory=True),
    ended(1, "nothing that is known", while_starting=False),
    timed_out(say("get a free place"), 60),
    timed_out(say("answer"), 30, "The hub does not answer: x"),
    timed_out(say("answer"), 30, "running at http://127.0.0.1:99/", "http://127.0.0.1:88/user/a/api"),
    timed_out(say("answer"), 30, "running at http://127.0.0.1:88/x", "http://127.0.0.1:88/user/a/api"),
    timed_out(say("answer"), 30, "running at http://127.0.0.1:88/user/a", "http://127.0.0.2:88/user/a/api"),
    crashed(say("starting the server"), "abc"),
]


@pytest.mark.parametrize("language", ["de", "fr"])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.reason)
def test_why_a_server_failed_is_said_in_every_language(failure: Failure, language: str) -> None:
    translate = texts(language).gettext
    for text in (failure.reason, failure.advice):
        told = in_language(text, translate)
        assert told != text
        assert not {"the", "it", "its", "server", "memory"} & {word.strip(".,:;") for word in told.split()}
        assert "{" not in told


@pytest.mark.parametrize("language", ["de", "fr"])
@pytest.mark.parametrize("cause", [*CAUSES], ids=lambda cause: cause.reason)
def test_every_usual_cause_is_in_every_catalogue(cause: Cause, language: str) -> None:
    for text in (cause.reason, cause.advice):
        found = texts(language).gettext(text)
        assert found != text
        assert ("{detail}" in found) == ("{detail}" in text)
