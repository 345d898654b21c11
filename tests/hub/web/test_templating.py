from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jinja2
import pytest

import perijove
from perijove.hub.web.templating import (
    STATIC_FOLDER,
    Templates,
    ago,
    coded,
    iso,
    make_environment,
    seconds_since,
    segment,
    size,
    span,
    static_url,
)

NOW = datetime(2026, 3, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=9), "just now"),
        (timedelta(seconds=10), "10 seconds ago"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=3, seconds=59), "3 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=30), "on 1 March 2026"),
    ],
)
def test_ago_is_said_as_people_do(before: timedelta, text: str) -> None:
    assert ago(NOW - before, NOW) == text


def test_ago_knows_what_never_happened() -> None:
    assert ago(None, NOW) == "never"


def test_iso_is_utc_in_whole_seconds() -> None:
    there = datetime(2026, 3, 31, 14, 30, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert iso(there) == "2026-03-31T12:30:05Z"
    assert iso(None) == ""


def test_seconds_since_never_run_backwards() -> None:
    assert seconds_since(NOW - timedelta(seconds=61.9), NOW) == 61
    assert seconds_since(NOW + timedelta(seconds=5), NOW) == 0
    assert seconds_since(None, NOW) == 0


def test_words_between_backticks_are_code_and_nothing_else_is_markup() -> None:
    assert coded("With `<a>` or `b`, <i>not</i> ` alone.") == (
        "With <code>&lt;a&gt;</code> or <code>b</code>, &lt;i&gt;not&lt;/i&gt; ` alone."
    )


def test_segment_leaves_nothing_that_ends_a_path_segment() -> None:
    assert segment("a/b?c#d e@f%.é~") == "a%2Fb%3Fc%23d%20e%40f%25.%C3%A9~"


def test_static_url_carries_the_hash_of_the_content() -> None:
    digest = hashlib.sha256((STATIC_FOLDER / "css/perijove.css").read_bytes()).hexdigest()
    assert static_url("css/perijove.css", "/base/hub/") == f"/base/hub/static/css/perijove.css?v={digest[:12]}"


def test_static_url_of_a_missing_file_is_an_error() -> None:
    with pytest.raises(OSError, match=r"missing\.css"):
        static_url("missing.css", "/hub/")


def test_templates_know_static_url_by_their_prefix() -> None:
    template = make_environment().from_string("{{ static_url('logo.svg') }}")
    assert template.render(base_url="/x/hub/") == static_url("logo.svg", "/x/hub/")


def test_values_are_escaped() -> None:
    template = make_environment().from_string('<a title="{{ value }}">{{ value }}</a>')
    assert template.render(value="\"'<b>&") == '<a title="&#34;&#39;&lt;b&gt;&amp;">&#34;&#39;&lt;b&gt;&amp;</a>'


def test_a_name_nobody_passed_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        make_environment().from_string("{{ nobody_passed_this }}").render()


def test_filters_are_known() -> None:
    template = make_environment().from_string("{{ t|ago(now) }} {{ t|iso }} {{ t|seconds_since(now) }} {{ n|segment }}")
    assert template.render(t=NOW - timedelta(minutes=2), now=NOW, n="a/b") == (
        "2 minutes ago 2026-03-31T11:58:00Z 120 a%2Fb"
    )


def test_texts_are_in_the_language_of_the_environment() -> None:
    text = "{{ _('Running') }} {{ then|ago(then) }} {{ 7200|span }}"
    assert make_environment("de").from_string(text).render(then=NOW) == "Läuft gerade eben 2 Stunden"
    assert make_environment("fr").from_string(text).render(then=NOW) == "En marche à l’instant 2 heures"


def test_a_text_from_elsewhere_is_neither_markup_nor_a_pattern() -> None:
    template = make_environment("de").from_string("{{ _(text) }}")
    assert template.render(text="<b> 100 % %(x)s") == "&lt;b&gt; 100 % %(x)s"
    assert template.render(text="") == ""


def test_own_templates_come_first_and_extend_ours(tmp_path: Path) -> None:
    (tmp_path / "message.html").write_text(
        '{% extends "templates/message.html" %}{% block title %}Ours {{ absent }}{% endblock %}'
    )
    environment = make_environment("en", [str(tmp_path)])
    block = environment.get_template("message.html").blocks["title"]
    assert "".join(block(environment.get_template("message.html").new_context({}))) == "Ours "
    theirs = environment.get_template("templates/message.html")
    assert "".join(theirs.blocks["title"](theirs.new_context({"heading": "Hello"}))) == "Hello"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1024, "1 kB"), (300 * 1024**2, "300 MB"), (3 * 1024**3, "3.0 GB")]
)
def test_sizes_are_said_as_people_do(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 seconds"),
        (0.4, "0 seconds"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (3600 * 23.999, "24 hours"),
        (86400 * 29.999, "30 days"),
    ],
)
def test_spans_are_said_as_people_do(seconds: float, text: str) -> None:
    assert span(seconds) == text


PAGE = "hello.html"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a template of an operator's, and beside it `compiled`, not made yet."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / PAGE).write_text("Hello {{ name }}")
    return folder


def hello(own: Path) -> str:
    """Return the page as a hub shows it that was just started."""
    return Templates([str(own)], own.parent / "compiled").render(PAGE, "en", {"name": "ada"})


def test_a_template_is_compiled_once_for_all_starts(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hello(own) == "Hello ada"
    (kept,) = (own.parent / "compiled").iterdir()
    monkeypatch.delattr(jinja2.Environment, "_generate")
    assert hello(own) == "Hello ada"
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_template_that_was_changed_is_compiled_anew(own: Path) -> None:
    hello(own)
    (own / PAGE).write_text("Good morning {{ name }}")
    assert hello(own) == "Good morning ada"


@pytest.mark.parametrize("content", [b"", b"j2", b"nothing of ours", None])
def test_what_was_kept_and_is_broken_is_compiled_anew(own: Path, content: bytes | None) -> None:
    hello(own)
    (kept,) = (own.parent / "compiled").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert hello(own) == "Hello ada"
    assert kept.read_bytes() == whole


def test_a_page_is_shown_where_nothing_can_be_kept(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jinja2.bccache.Bucket, "write_bytecode", full)
    assert hello(own) == "Hello ada"
    assert list((own.parent / "compiled").iterdir()) == []
    (own.parent / "compiled").rmdir()
    (own.parent / "compiled").write_text("not a folder")
    assert hello(own) == "Hello ada"


def test_code_is_not_taken_from_a_folder_that_others_can_write_to(own: Path) -> None:
    (own.parent / "compiled").mkdir()
    (own.parent / "compiled").chmod(0o777)
    assert hello(own) == "Hello ada"
    assert list((own.parent / "compiled").iterdir()) == []


def test_what_an_earlier_version_kept_is_removed(own: Path) -> None:
    (own.parent / "compiled").mkdir(mode=0o700)
    (own.parent / "compiled" / "0.0.1-3.0-x").touch()
    hello(own)
    (kept,) = (own.parent / "compiled").iterdir()
    assert kept.name.startswith(f"{perijove.__version__}-{jinja2.__version__}-")
