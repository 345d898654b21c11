from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest

from perijove.hub.adapters import processes
from perijove.hub.adapters.runs import RUN_VARIABLE, members
from perijove.hub.adapters.spawners import executing
from perijove.hub.adapters.spawners.executing import execute
from perijove.hub.adapters.spawners.processes import Run
from perijove.hub.core.errors import Code, PerijoveError
from perijove.wire.launching import LaunchRequest

PATH = {"PATH": "/usr/bin:/bin"}


def new_run() -> Run:
    return Run(secrets.token_hex(16), 8888)


def run_command(folder: Path, *command: str, env: dict[str, str] | None = None, **changes: Any) -> processes.Child:
    kwargs = changes.pop("popen_kwargs", {})
    run = changes.pop("run", None) or new_run()
    request = LaunchRequest(command, PATH if env is None else env, str(folder), **changes)
    return execute(run, request, folder / "logs" / "log", kwargs)


def output(folder: Path, *command: str, **changes: Any) -> str:
    assert run_command(folder, *command, **changes).wait(30) == 0
    return (folder / "logs" / "log").read_text()


def refused(folder: Path, *command: str, **changes: Any) -> str:
    run = new_run()
    with pytest.raises(PerijoveError) as error:
        run_command(folder, *command, run=run, **changes)
    assert error.value.code is Code.FAILED
    assert members(run.id, None) == [], "something was left running"
    return error.value.message


def test_output_goes_to_a_file_of_ours_alone_emptied_first(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    for word in ("first", "second"):
        script = f"echo {word}; echo err >&2; pwd; read x || echo nothing to read"
        output(tmp_path, "sh", "-c", script)
    assert log.read_text() == f"second\nerr\n{tmp_path}\nnothing to read\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_the_command_gets_its_environment_and_nothing_of_ours(tmp_path: Path) -> None:
    found = output(tmp_path, "env", env=PATH | {"GIVEN": "yes", "PYTHONHOME": "/nowhere"})
    assert set(found.splitlines()) == {"GIVEN=yes", "PYTHONHOME=/nowhere", "PATH=/usr/bin:/bin"}


def test_nothing_of_ours_is_open_or_ignored_in_the_command(tmp_path: Path) -> None:
    script = (
        "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Ign|Blk)' /proc/self/status; ps -o sid= -p $$ | xargs test $$ ="
    )
    lines = output(tmp_path, "sh", "-c", script).split("\n")
    assert lines[0].startswith("0 1 2 3 Sig")  # 3 is the folder that is being listed
    c_library = 1 << 31 | 1 << 32  # its own two signals, which nobody can set
    assert [int(line.split()[-1], 16) & ~c_library for line in lines[:-1]] == [0, 0]


def test_the_process_is_the_one_that_was_found_from_the_first_moment_on(tmp_path: Path) -> None:
    run = new_run()
    child = run_command(tmp_path, "sleep", "600", env=run.environment(PATH), run=run)
    assert [process.pid for process in members(run.id, None)] == [child.pid]
    assert processes.has_variable(child.pid, RUN_VARIABLE, run.id)
    child.kill()
    child.wait()


def test_limits_and_modes_are_set(tmp_path: Path) -> None:
    found = output(tmp_path, "sh", "-c", "ulimit -Sn; ulimit -Hn; umask", limits={"NOFILE": (100, 200)}, umask=0o027)
    assert found.split() == ["100", "200", "0027"]


def test_what_popen_is_told_besides_reaches_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        assert (
            output(
                tmp_path, "sh", "-c", f"echo handed on > /proc/self/fd/{writer}", popen_kwargs={"pass_fds": [writer]}
            )
            == ""
        )
        assert os.read(reader, 100) == b"handed on\n"
    finally:
        os.close(reader)
        os.close(writer)
    assert "unexpected keyword" in refused(tmp_path, "true", popen_kwargs={"nonsense": 1})


def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    script = tmp_path / "script"
    script.write_text("#!/no/such/python\n")
    script.chmod(0o755)
    assert "'no-such-command' was not found" in refused(tmp_path, "no-such-command")
    assert "may not be executed" in refused(tmp_path, str(tmp_path / "file"))
    assert "names an interpreter that is not there" in refused(tmp_path, str(script))
    assert "could not be executed: embedded null byte" in refused(tmp_path, "sh", "a\0b")


def test_a_place_that_cannot_be_taken_says_why(tmp_path: Path) -> None:
    run = new_run()
    request = LaunchRequest(("true",), PATH, "/no/folder")
    with pytest.raises(PerijoveError, match="'/no/folder' cannot be entered: No such file"):
        execute(run, request, tmp_path / "log", {})
    assert "No such file" in refused(tmp_path, "true", cgroup_files=("/no/group/cgroup.procs",))
    assert "more than" in refused(tmp_path, "true", env={"X": "x" * 2_000_000})


def test_a_process_that_never_gets_there_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executing, "EXECUTED_WITHIN", 0.3)
    os.mkfifo(tmp_path / "fifo")  # opening it waits for a reader, as a file server that is gone does
    assert "timed out" in refused(tmp_path, "true", cgroup_files=(str(tmp_path / "fifo"),))


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "log").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("precious")
    assert "log file cannot be written" in refused(tmp_path, "true")
    assert (tmp_path / "precious").read_text() == "precious"
