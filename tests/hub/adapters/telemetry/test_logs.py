from __future__ import annotations

import io
import logging
import re

import pytest
import structlog

from perijove.hub.adapters.telemetry.logs import configure_logging, render

pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_a_line_has_time_level_sentence_and_values(stream: io.StringIO) -> None:
    configure_logging("INFO", stream=stream)
    structlog.get_logger("perijove").info("Server of alice is ready", server="alice/", seconds=1.23456, who="a b")
    line = stream.getvalue()
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z info    Server of alice is ready ", line)
    assert line.endswith("server=alice/ seconds=1.235 who='a b'\n")


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "traitlets", "sqlalchemy.engine", "anything"])
def test_libraries_go_the_same_way_once(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).addHandler(logging.StreamHandler(stream))
    configure_logging("INFO", stream=stream)
    logging.getLogger(name).handlers.clear()
    logging.getLogger(name).warning("disk %s", "full")
    assert len(stream.getvalue().splitlines()) == 1
    assert "warning disk full" in stream.getvalue()


def test_handlers_that_uvicorn_brought_are_taken_away(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(stream))
    logging.getLogger("uvicorn").propagate = False
    configure_logging("INFO", stream=stream)
    logging.getLogger("uvicorn.error").warning("once")
    assert stream.getvalue().count("once") == 1


def test_the_request_id_is_in_every_line_of_its_request(stream: io.StringIO) -> None:
    configure_logging("INFO", stream=stream)
    with structlog.contextvars.bound_contextvars(request_id="abc123"):
        structlog.get_logger().info("one")
        logging.getLogger("library").warning("two")
    structlog.get_logger().info("three")
    assert ["request_id=abc123" in line for line in stream.getvalue().splitlines()] == [True, True, False]


def test_secrets_are_taken_out_wherever_they_stand(stream: io.StringIO) -> None:
    configure_logging("INFO", stream=stream)
    log = structlog.get_logger()
    log.info("signed in", password="hunter2hunter2", api_token="hunter2hunter2")
    log.info("asked for /x?token=hunter2hunter2", headers={"Authorization": "token hunter2hunter2"})
    logging.getLogger("uvicorn.access").info('"GET /?code=hunter2hunter2&state=hunter2hunter2" 200')
    try:
        raise ValueError("password=hunter2hunter2")
    except ValueError:
        log.exception("it broke")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert text.count("[removed]") >= 6
    assert "Traceback" in text


def test_nobody_can_forge_a_line(stream: io.StringIO) -> None:
    configure_logging("INFO", stream=stream)
    structlog.get_logger().info("refused\n2026 info fake", name="x\n2026 info fake\x1b[31m")
    logging.getLogger("library").warning("bad\rline")
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "debug", "shown"), [("INFO", False, 2), ("WARNING", False, 1), (40, False, 0), ("info", True, 4)]
)
def test_levels(stream: io.StringIO, level: str | int, debug: bool, shown: int) -> None:
    configure_logging(level, debug, stream)
    structlog.get_logger().debug("one")
    structlog.get_logger().info("two")
    logging.getLogger("library").warning("three")
    logging.getLogger("httpx").info("four")
    assert len(stream.getvalue().splitlines()) == shown


def test_configuring_again_does_not_double_lines(stream: io.StringIO) -> None:
    configure_logging("INFO", stream=stream)
    configure_logging("INFO", stream=stream)
    structlog.get_logger().info("once")
    assert len(stream.getvalue().splitlines()) == 1


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    structlog.get_logger().info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_an_empty_value_can_be_seen() -> None:
    assert render(None, "info", {"event": "x", "name": "", "count": 0}).endswith("x name='' count=0")
