from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.singleuser.launcher.conftest import answer
from tests.support.accounts import AS_ROOT

import perijove
from perijove.wire.launching import Identity, LaunchRequest

SHOW = (
    "import json, os, signal, sys; print(json.dumps({'argv': sys.argv[1:], 'env': sorted(os.environ), "
    "'cwd': os.getcwd(), 'ids': [os.getresuid(), os.getresgid(), os.getgroups()], "
    "'in': os.readlink('/proc/self/fd/0'), 'pipe': signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN, "
    "'status': open('/proc/self/status').read()}))"
)


def execute(raw: bytes, before: str = "") -> tuple[list[dict[str, Any]], str]:
    """Hand a request to such a process; return its answers and what it printed."""
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    here = str(Path(perijove.__file__).parent.parent)
    code = (
        f"import os, sys; sys.path.append({here!r}); {before}\nfrom perijove.singleuser.launcher.executing import main"
    )
    command = [sys.executable, "-I", "-S", "-c", f"{code}; main()"]
    with ours:
        with theirs:
            child = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.PIPE)
        ours.sendall(raw)
        ours.shutdown(socket.SHUT_WR)
        answers = []
        while told := answer(ours):
            answers.append(told)
        out, _ = child.communicate(timeout=30)
    return answers, out.decode()


def request(**changes: Any) -> bytes:
    given: dict[str, Any] = {"argv": (sys.executable, "-I", "-c", SHOW, "é"), "env": {"GIVEN": "1"}, "cwd": "/"}
    return LaunchRequest(**given | changes).encode()


def test_the_command_takes_the_place_of_the_process(tmp_path: Path) -> None:
    answers, out = execute(request(cwd=str(tmp_path)))
    found = json.loads(out)
    assert [sorted(told) for told in answers] == [["copy"], ["runs"]]
    assert (found["argv"], found["cwd"], found["in"]) == (["é"], str(tmp_path), "/dev/null")
    assert [name for name in found["env"] if not name.startswith("LC_")] == ["GIVEN"]


@AS_ROOT
def test_it_runs_as_the_user_and_nobody_else() -> None:
    identity = Identity(65534, 65533, (65532, 65533))
    _, out = execute(request(argv=("sh", "-c", "id -u; id -g; id -G; grep Cap /proc/self/status"), identity=identity))
    uid, gid, groups, *capabilities = out.splitlines()
    assert (uid, gid, sorted(groups.split())) == ("65534", "65533", ["65532", "65533"])
    assert {line.split()[1] for line in capabilities if not line.startswith("CapBnd")} == {"0" * 16}


@AS_ROOT
@pytest.mark.parametrize("broken", ["setgroups", "setresgid", "setresuid"])
def test_ghsa_5jhc_nothing_is_executed_with_privileges_that_should_be_gone(broken: str) -> None:
    """GHSA-5jhc-4h3c-q97h: a call that does not do its work must not go unnoticed."""
    answers, out = execute(
        request(identity=Identity(65534, 65534, (65534,))), before=f"os.{broken} = lambda *given: None"
    )
    assert "did not become the user" in answers[-1]["error"]
    assert out == ""


@AS_ROOT
def test_a_folder_that_only_root_may_enter_is_none_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    answers, out = execute(request(identity=Identity(65534, 65534, ()), cwd=str(tmp_path / "closed")))
    assert "cannot be entered: Permission denied" in answers[-1]["error"]
    assert out == ""


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "The request ended early."),
        (b"\0\0\0\2{}", "Not a request to launch anything"),
        (request(cwd="/no/folder"), "The folder '/no/folder' cannot be entered: No such file or directory."),
        (request(limits={"NOFILE": (2, 1)}), "place could not be taken: ValueError"),
        (request(argv=("no-such-command",)), "'no-such-command' was not found"),
        (request(argv=("/etc/passwd/x",)), "'/etc/passwd/x' was not found"),
        (request(argv=("/etc/passwd",)), "may not be executed"),
        (request(argv=("sh", "\0")), "could not be executed: embedded null byte"),
    ],
)
def test_what_cannot_be_says_why_in_a_sentence(raw: bytes, why: str) -> None:
    answers, out = execute(raw)
    assert why in answers[-1]["error"]
    assert out == ""


def test_a_script_of_an_environment_that_is_gone_is_recognised(tmp_path: Path) -> None:
    script = tmp_path / "server"
    script.write_text("#!/gone/bin/python\n")
    script.chmod(0o755)
    answers, _ = execute(request(argv=("server",), env={"PATH": str(tmp_path)}))
    assert f"'{script}' names an interpreter that is not there" in answers[-1]["error"]
