from __future__ import annotations

import pytest

from perijove.hub.core.failures import CAUSES, crashed, ended, port_was_taken, refused, timed_out


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


USUAL = [
    (1, "OSError: [Errno 98] Address already in use", "another program has taken its port", "gets another port"),
    (1, "The port 8888 is already in use, trying another port.", "has taken its port", "c.Spawner.port"),
    (1, "OSError: [Errno 99] Cannot assign requested address", "not one of this machine", "c.Spawner.ip"),
    (1, "OSError: [Errno 28] No space left on device: '/home/ada/.x'", "the disk is full", "Free some space"),
    (1, "OSError: [Errno 122] Disk quota exceeded", "its quota is used up", "Free some space"),
    (1, "OSError: [Errno 30] Read-only file system: '/home/ada'", "write to '/home/ada'", "mount it for writing"),
    (1, "PermissionError: [Errno 13] Permission denied: '/home/ada/.local'", "execute '/home/ada/.local'", "chown"),
    (
        126,
        "sh: 1: /x/server: Permission denied",
        "may not read, write or execute something it needs",
        "right to do that",
    ),
    (
        1,
        "FileNotFoundError: [Errno 2] No such file or directory: '/gone/.local'",
        "make the folder '/gone/.local'",
        "home",
    ),
    (1, "NotADirectoryError: [Errno 20] Not a directory: '/home/ada'", "make the folder '/home/ada'", "home folder"),
    (1, "MemoryError", "no memory left", "c.Spawner.mem_limit"),
    (1, "RuntimeError: can't start new thread", "no memory left", "Stop what you do not need"),
    (1, "ModuleNotFoundError: No module named 'my_lab'", "missing or broken: No module named 'my_lab'", "Install it"),
    (1, "x.utils.ExtensionModuleNotFound: The module 'my_ext' could not be found", "The module 'my_ext'", "Install it"),
    (1, "/usr/bin/python3.11: No module named my_server", "broken: No module named my_server", "Install it"),
    (1, "ImportError: cannot import name 'x' from 'y'", "broken: cannot import name 'x' from 'y'", "extension"),
    (1, "ModuleNotFoundError: No module named 'encodings'", "files of another version", "PYTHONHOME"),
    (127, "server: error while loading shared libraries: libpython3.so: cannot open", "is broken", "environment anew"),
    (1, "/x.so: version `GLIBC_2.38' not found (required by /y.so)", "of another version", "environment anew"),
    (1, "Bad config encountered during initialization: The 'port' trait", "is wrong: The 'port' trait", "~/.jupyter"),
    (
        2,
        "usage: x\nx: error: unrecognized arguments: --nonsense",
        "unrecognized arguments: --nonsense",
        "c.Spawner.args",
    ),
    (1, "perijove-singleuser: JUPYTERHUB_API_TOKEN is missing", "not told which hub", "must hand on all JUPYTERHUB_"),
    (1, "KeyError: 'Missing required environment $JUPYTERHUB_SERVICE_URL'", "not told which hub", "must hand on"),
    (1, "Running as root is not recommended. Use --allow-root", "refuses to run as root", "--allow-root"),
    (1, "ssl.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED]", "does not trust a certificate", "SSL_CERT_FILE"),
    (127, "sh: 1: jupyter-labhub: not found", "the command jupyter-labhub was not found", "c.Spawner.cmd"),
    (127, "bash: line 1: jupyter-labhub: command not found", "command jupyter-labhub was not", "c.Spawner.cmd"),
    (
        1,
        "Failed to connect to my Hub at http://h:8081/hub/api (attempt 5/5).",
        "cannot reach the hub",
        "hub_connect_url",
    ),
    (
        1,
        "aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host h:1",
        "reach the hub",
        "hub_connect_url",
    ),
    (-9, "", "was killed by signal SIGKILL", "the machine ran out of memory"),
    (137, "", "exit status 137", "the machine ran out of memory"),
]


@pytest.mark.parametrize(("status", "log", "reason", "advice"), USUAL)
def test_usual_causes_are_named_with_what_to_do(status: int, log: str, reason: str, advice: str) -> None:
    failure = ended(status, f"[I] started\n{log}", while_starting=True)
    assert reason in failure.reason
    assert advice in failure.advice
    assert failure.log.endswith(log)


def test_every_cause_has_an_example() -> None:
    shown = {ended(status, log, while_starting=True).advice for status, log, *_ in USUAL}
    assert [cause.reason for cause in CAUSES if cause.advice not in shown] == []


@pytest.mark.parametrize(("log", "advice"), [("something else", "Its log may say more."), ("", "Start it again.")])
def test_what_nobody_knows_is_not_made_up(log: str, advice: str) -> None:
    failure = ended(1, log, while_starting=True)
    assert (failure.reason, failure.advice) == ("The server ended with exit status 1 before it was ready.", advice)


def test_the_last_words_of_python_are_repeated() -> None:
    failure = ended(1, "Traceback:\n  File x\n    my_lab.errors.LicenceError: it has run out\n\n", while_starting=False)
    assert failure.reason == "The server ended with exit status 1: my_lab.errors.LicenceError: it has run out."
    assert (
        ended(1, "KeyError: 'x'\n[I] going on", while_starting=False).reason == "The server ended with exit status 1."
    )


def test_the_cause_that_shows_last_is_taken() -> None:
    log = "OSError: Address already in use\nModuleNotFoundError: No module named 'x'\ngoing on"
    assert "'x'" in ended(1, log, while_starting=True).reason
    assert "port" in ended(1, "\n".join(reversed(log.splitlines())), while_starting=True).reason


def test_a_status_of_the_shell_is_needed_where_words_alone_say_little() -> None:
    assert ended(1, "find: word: not found", while_starting=True).reason.endswith("it was ready.")


@pytest.mark.parametrize("status", [None, 0, -9, 137])
def test_one_that_ran_out_of_its_memory_is_told_so(status: int | None) -> None:
    failure = ended(status, "OSError: Address already in use", while_starting=False, out_of_memory=True)
    assert failure.reason.endswith(": it used all the memory that it may use.")
    assert "c.Spawner.mem_limit" in failure.advice


def test_a_server_that_ends_itself_after_a_kernel_ran_out_of_memory_is_not_told_so() -> None:
    assert "may use" not in ended(1, "", while_starting=False, out_of_memory=True).reason


def test_what_a_server_prints_cannot_keep_the_hub_busy() -> None:
    """A search that looks back and forth over long lines takes minutes; a user decides what stands there."""
    for word in ("FileNotFoundError: '/.", "NotADirectoryError: '", "x: ", "at http://", "error: argument "):
        line = word * 8000
        ended(127, "\n".join([line] * 100), while_starting=True)
        timed_out("answer", 1, "\n".join([line] * 100), "http://127.0.0.1:1/user/x/api")
    log = f"ModuleNotFoundError: {'x' * 10_000}"
    assert len(ended(1, log, while_starting=True).reason) < 400


def test_a_step_that_took_too_long_says_which_and_how_long() -> None:
    failure = timed_out("answer", 30.0, "last line")
    assert failure.reason == "The server did not answer within 30 seconds."
    assert failure.advice
    assert failure.log == "last line"


URL = "http://127.0.0.1:4711/base/user/ada/api"


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        ("Jupyter Server 2.17 is running at:\n[I] http://127.0.0.1:8888/base/user/ada/lab", "It listens on port 8888"),
        (
            "Jupyter Server 2.17 is running at:\n[I] http://127.0.0.1:4711/lab?token=x",
            "It serves /lab, but the hub asks for",
        ),
        ("Jupyter Server 2.17 is running at:\n[I] http://127.0.0.1:4711", "JUPYTERHUB_SERVICE_PREFIX"),
        ("Uvicorn running on http://10.0.0.3:4711/base/user/ada/", "c.Spawner.ip must be an address at which the hub"),
        ("http://127.0.0.1:8888/", "Try again"),
        ("", "Try again"),
    ],
)
def test_a_server_that_listens_elsewhere_is_told_where(log: str, advice: str) -> None:
    failure = timed_out("answer", 30, log, URL)
    assert failure.reason == "The server did not answer within 30 seconds."
    assert advice in failure.advice


@pytest.mark.parametrize(
    ("log", "reason", "advice"),
    [
        (
            "Failed to connect to my Hub at http://h/ (attempt 2/5). Is it running?",
            "it cannot reach the hub",
            "connect_url",
        ),
        ("The hub does not answer: [Errno 111]. This server runs on", "it cannot reach the hub", "hub_connect_url"),
        (
            "The hub speaks version '5.3.0' of the protocol, this server 6",
            "speaks version '5.3.0'",
            "Upgrade the jupyterhub",
        ),
        (
            "jupyterhub version 6.1 != jupyterhub-singleuser version 4.1",
            "speaks version 6.1 of",
            "Upgrade the jupyterhub",
        ),
    ],
)
def test_a_server_that_never_answers_may_say_why(log: str, reason: str, advice: str) -> None:
    failure = timed_out("answer", 30, log)
    assert failure.reason.startswith("The server did not answer within 30 seconds: ")
    assert reason in failure.reason
    assert advice in failure.advice


def test_a_step_may_say_itself_what_was_wrong() -> None:
    failure = refused("There is no image x", "log")
    assert (failure.reason, failure.advice, failure.log) == ("There is no image x", "", "log")


def test_a_fault_of_ours_gives_a_number_to_ask_for_and_no_details() -> None:
    failure = crashed("adding its route", "4f2a")
    assert failure.reason == "Something went wrong while adding its route."
    assert "4f2a" in failure.advice
    assert failure.log == ""


@pytest.mark.parametrize(
    ("status", "log", "taken"),
    [
        (1, "ERROR: the Jupyter server could not be started because port 4711 is not available.", True),
        (1, "OSError: [Errno 98] Address already in use", True),
        (1, "Address already in use\nModuleNotFoundError: No module named 'jupyterlab'", False),
        (-9, "OSError: [Errno 98] Address already in use", False),
        (1, "", False),
    ],
)
def test_a_port_that_was_taken_is_known(status: int, log: str, taken: bool) -> None:
    assert port_was_taken(status, log) is taken
