from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.singleuser.launcher.conftest import Prepared, answer
from tests.support.accounts import AS_ROOT

from perijove.singleuser.launcher.becoming import interpreter_settings
from perijove.wire.launching import LENGTH, MAX_REQUEST, Identity

Prepare = Callable[..., Prepared]
TELL = """
import json, os, resource, signal, sys, tempfile, time
print(json.dumps({
    "argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "session": os.getsid(0) == os.getpid(),
    "shown_env": open("/proc/self/environ").read().split("\\0"),
    "shown": open("/proc/self/cmdline").read().split("\\0"),
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1], "in": os.readlink("/proc/self/fd/0"),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE), "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
    "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, "zone": time.tzname[0], "temp": tempfile.gettempdir(),
    "home": os.path.expanduser("~"), "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
}), flush=True)
"""


def told(prepared: Prepared, **changes: Any) -> dict[str, Any]:
    """Launch a copy that tells what it became."""
    first, connection = prepared.launch(**changes)
    assert first.get("runs"), first
    assert answer(connection) == {"exit": 0}
    return dict(json.loads(prepared.output.splitlines()[-1]))


def test_nothing_of_the_prepared_process_stays(prepare: Prepare, tmp_path: Path) -> None:
    env = {
        "HOME": str(tmp_path),
        "TZ": "Pacific/Chatham",
        "TMPDIR": str(tmp_path),
        "PERIJOVE_RUN": "run",
        "USER": "ada",
    }
    prepared = prepare(TELL, before="import tempfile; tempfile.gettempdir(); signal = __import__('signal')")
    found = told(prepared, argv=("the-server", "--flag", "é"), env=env, limits={"NOFILE": (100, 200)})
    assert (found["argv"], found["env"], found["cwd"]) == (["the-server", "--flag", "é"], env, str(tmp_path))
    assert found["session"]
    assert found["open"] == [0, 1, 2]
    assert found["in"] == "/dev/null"
    assert found["files"] == [100, 200]
    assert (found["child"], found["blocked"]) == (True, 0)
    assert (found["home"], found["temp"]) == (str(tmp_path), str(tmp_path))
    assert found["zone"] not in {"UTC", "GMT"}


def test_the_system_shows_the_program_and_its_environment(prepare: Prepare, tmp_path: Path) -> None:
    env = {"A": "1", "HOME": str(tmp_path), "PERIJOVE_RUN": "run"}
    found = told(prepare(TELL), argv=("the-server", "--flag"), env=env)
    assert found["shown"][:2] == ["the-server", "--flag"]
    assert not any(found["shown"][2:])
    assert set(filter(None, found["shown_env"])) == {f"{name}={value}" for name, value in env.items()}


def test_where_there_is_no_room_the_run_is_shown_all_the_same(prepare: Prepare) -> None:
    found = told(prepare(TELL), env={"LONG": "x" * 100_000, "PERIJOVE_RUN": "run"})
    assert "PERIJOVE_RUN=run" in found["shown_env"]
    assert len(found["env"]["LONG"]) == 100_000


def test_two_copies_draw_different_lots(prepare: Prepare) -> None:
    prepared = prepare("import random; print(random.random(), flush=True)", before="import random")
    for _ in range(2):
        _, connection = prepared.launch()
        assert answer(connection) == {"exit": 0}
    assert len(set(prepared.output.split())) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cwd": "/does/not/exist"}, "cannot be entered: No such file"),
        ({"limits": {"NONSENSE": (1, 1)}}, "AttributeError"),
        ({"limits": {"NOFILE": (2, 1)}}, "ValueError"),
        ({"cgroup_files": ("/does/not/exist",)}, "FileNotFoundError"),
        ({"env": {"PYTHONPATH": "/elsewhere"}}, "settings for Python"),
        ({"env": {"LD_PRELOAD": "/elsewhere.so"}}, "settings for Python"),
    ],
)
def test_what_cannot_be_had_ends_the_copy_before_anything_of_the_users_runs(
    prepare: Prepare, changes: dict[str, Any], reason: str
) -> None:
    prepared = prepare("print('never', flush=True)")
    first, connection = prepared.launch(**changes)
    assert reason in first["error"]
    assert answer(connection) == {"exit": 1}
    assert prepared.output == ""


def test_a_user_with_packages_of_their_own_gets_an_interpreter_of_their_own(prepare: Prepare, tmp_path: Path) -> None:
    import site
    import sys

    folder = Path(site.getusersitepackages()).relative_to(Path.home())
    (tmp_path / folder).mkdir(parents=True)
    prepared = prepare("print('never', flush=True)", before="import site; site.ENABLE_USER_SITE = True")
    first, _ = prepared.launch(env={"HOME": str(tmp_path)})
    assert "packages of their own" in first["error"], sys.version


@pytest.mark.parametrize("raw", [b"\0\0\0\3abc", LENGTH.pack(MAX_REQUEST + 1), b"\0\0\0\2{}"])
def test_a_request_that_is_none_ends_the_copy(prepare: Prepare, raw: bytes) -> None:
    _, connection = prepare("print('never')").copy()
    connection.sendall(raw)
    assert "error" in answer(connection)
    assert answer(connection) == {"exit": 1}


@AS_ROOT
def test_privileges_are_dropped_for_good(prepare: Prepare) -> None:
    prepared = prepare(TELL)
    found = told(prepared, identity=Identity(65534, 65533, (65533, 65532)), cwd="/")
    assert found["ids"] == [[65534] * 3, [65533] * 3, [65532, 65533]]


@AS_ROOT
@pytest.mark.parametrize("broken", ["setgroups", "setresgid", "setresuid"])
def test_ghsa_5jhc_a_copy_that_keeps_some_privileges_ends(prepare: Prepare, broken: str) -> None:
    """GHSA-5jhc-4h3c-q97h: a call that does not do its work must not go unnoticed."""
    prepared = prepare("print('never', flush=True)", before=f"os.{broken} = lambda *given: None")
    first, connection = prepared.launch(identity=Identity(65534, 65534, (65534,)), cwd="/")
    assert "did not become the user" in first["error"]
    assert answer(connection) == {"exit": 1}
    assert prepared.output == ""


def test_only_what_matters_to_an_interpreter_is_compared() -> None:
    env = {"PYTHONPATH": "a", "LD_LIBRARY_PATH": "b", "PATH": "c"}
    assert interpreter_settings(env) == {"PYTHONPATH": "a", "LD_LIBRARY_PATH": "b"}
