from __future__ import annotations

import pytest

from perijove.hub.core.failures import crashed, ended, refused, timed_out


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "The server ended."),
        (0, "The server ended."),
        (3, "The server ended with exit status 3."),
        (-9, "The server was killed by signal SIGKILL."),
        (-999, "The server was killed by signal 999."),
    ],
)
def test_the_reason_says_how_a_server_ended(status: int | None, reason: str) -> None:
    assert ended(status, "", while_starting=False).reason == reason
    assert ended(status, "", while_starting=True).reason == reason.replace(".", " before it was ready.")


@pytest.mark.parametrize(
    ("status", "log", "advice"),
    [
        (1, "OSError: Address already in use", "Another program has taken its port"),
        (1, "port 8888 is already in use", "Another program has taken its port"),
        (1, "OSError: No space left on device", "The disk is full"),
        (-9, "OSError: Disk quota exceeded", "The disk is full"),
        (1, "PermissionError: Permission denied: '/x'", "may not read or write"),
        (1, "ModuleNotFoundError: No module named 'x'", "A Python package is missing"),
        (1, "MemoryError", "The memory is full"),
        (1, "Running as root is not recommended", "--allow-root"),
        (-9, "", "ran out of memory"),
        (1, "something else", "Its log may say more."),
        (1, "", "Start it again."),
    ],
)
def test_the_advice_fits_what_the_server_printed(status: int, log: str, advice: str) -> None:
    failure = ended(status, log, while_starting=True)
    assert advice in failure.advice
    assert failure.log == log


def test_a_step_that_took_too_long_says_which_and_how_long() -> None:
    failure = timed_out("answer", 30.0, "last line")
    assert failure.reason == "The server did not answer within 30 seconds."
    assert failure.advice
    assert failure.log == "last line"


def test_a_step_may_say_itself_what_was_wrong() -> None:
    failure = refused("There is no image x", "log")
    assert (failure.reason, failure.advice, failure.log) == ("There is no image x", "", "log")


def test_a_fault_of_ours_gives_a_number_to_ask_for_and_no_details() -> None:
    failure = crashed("adding its route", "4f2a")
    assert failure.reason == "Something went wrong while adding its route."
    assert "4f2a" in failure.advice
    assert failure.log == ""
