from __future__ import annotations

import pytest

from perijove.hub.adapters.output import MAX_HELD, MAX_LINE, MAX_PER_SECOND, Lines

SECRET = "a-secret-that-nobody-may-read"


class Told:
    """Lines, what they told, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.now = 5.0
        self.lines = Lines(self.told.append, [f"{SECRET}\nsecond-line-of-it"], lambda: self.now)

    def take(self, *parts: bytes) -> list[str]:
        """Return what is told of *parts*."""
        for part in parts:
            self.lines.data_received(part)
        return self.told


@pytest.fixture
async def output() -> Told:
    """A program's output."""
    return Told()


async def test_lines_are_told_whole(output: Told) -> None:
    assert output.take(b"one\ntw", b"o\r\n\n  \nthr") == ["one", "two"]
    output.lines.connection_lost(None)
    assert output.told == ["one", "two", "thr"]
    assert output.lines.over.done()


async def test_secrets_colours_and_control_characters_are_taken_out(output: Told) -> None:
    assert output.take(f"\x1b[31mwith {SECRET} in\x07 it, second-line-of-it\n".encode()) == [
        "with [removed] in it, [removed]"
    ]
    assert output.take(b"\xff\n")[-1] == "\ufffd"


async def test_a_long_line_is_cut_and_no_secret_with_it(output: Told) -> None:
    start = "x " * ((MAX_LINE - 10) // 2)
    for part in (start, SECRET, "y" * MAX_HELD, "end of it\n", "next\n"):
        output.take(part.encode())
    first, second = output.told
    assert first.endswith("… (cut)")
    assert len(first) < MAX_LINE + 10
    assert SECRET[:8] not in first
    assert second == "next"


async def test_a_flood_is_counted_not_told(output: Told) -> None:
    output.take(b"line\n" * (MAX_PER_SECOND + 7))
    assert output.told == ["line"] * MAX_PER_SECOND
    output.now += 1
    assert output.take(b"calm\n")[-2:] == ["… (7 more lines in that second)", "calm"]


async def test_a_program_that_ends_in_a_flood_leaves_no_count_out(output: Told) -> None:
    output.take(b"line\n" * (MAX_PER_SECOND + 3))
    output.lines.connection_lost(None)
    assert output.told[-1] == "… (3 more lines in that second)"
