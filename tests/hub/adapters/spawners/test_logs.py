from __future__ import annotations

from pathlib import Path

from perijove.hub.adapters.spawners.logs import MOST_BYTES, last_lines


def test_the_last_lines_are_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\nthree\n")
    assert last_lines(log, 2) == "two\nthree"
    assert last_lines(log, 9) == "one\ntwo\nthree"
    assert last_lines(log, 0) == ""


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log", 5) == ""


def test_a_line_without_its_beginning_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"token=" + b"s" * MOST_BYTES + b"\nlast\n")
    assert last_lines(log, 100) == "last"
    log.write_bytes(b"s" * (MOST_BYTES + 1))
    assert last_lines(log, 100) == ""


def test_the_whole_of_a_file_that_just_fits_is_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"s" * MOST_BYTES)
    assert last_lines(log, 1) == "s" * MOST_BYTES


def test_bytes_colours_and_control_characters_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[31mred\x1b[0m \xff\xfe\ttab\x00\x07\r\nnext\x1b\n")
    assert last_lines(log, 5) == "red \ufffd\ufffd\ttab\nnext"
