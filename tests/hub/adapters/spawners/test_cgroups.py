from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perijove.hub.adapters.spawners import cgroups
from perijove.hub.adapters.spawners.cgroups import OWN_LEAF, PREFIX, Group, Place, Wanted, make, plan

MEMORY = Wanted(mem_limit=100_000_000, mem_guarantee=50_000_000)
CPU = Wanted(cpu_limit=0.5, cpu_guarantee=2.0)
Kernel = Callable[..., Path]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A function that writes what a kernel says of a process's groups and of the mounted hierarchies."""

    def write(groups: str, mounts: str) -> Path:
        (tmp_path / "cgroup").write_text(groups)
        (tmp_path / "mountinfo").write_text(mounts)
        return tmp_path

    return write


def unified(tmp_path: Path, controllers: str, below: str = "") -> Path:
    folder = tmp_path / "v2" / below
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text(controllers)
    (folder / "cgroup.subtree_control").write_text("")
    (folder / "cgroup.procs").write_text("")
    return folder


def test_the_unified_hierarchy_is_found(kernel: Kernel, tmp_path: Path) -> None:
    folder = unified(tmp_path, "cpu memory pids", "system.slice/hub.service")
    proc = kernel(
        "0::/system.slice/hub.service\n", f"30 23 0:26 / {tmp_path}/v2 rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
    )
    assert cgroups.places("", proc) == {"memory": Place(folder, 2), "cpu": Place(folder, 2)}


def test_a_container_sees_its_own_group_as_the_root(kernel: Kernel, tmp_path: Path) -> None:
    folder = unified(tmp_path, "memory")
    mount = f"{tmp_path}/v2"
    proc = kernel("0::/docker/abc\n", f"30 23 0:26 /docker/abc {mount} rw - cgroup2 cgroup2 rw\n")
    assert cgroups.places("", proc) == {"memory": Place(folder, 2)}
    proc = kernel("0::/\n", f"30 23 0:26 /.. {mount} rw - cgroup2 cgroup2 rw\n")
    assert cgroups.places("", proc) == {"memory": Place(folder, 2)}


def test_what_the_unified_hierarchy_lacks_is_taken_from_older_ones(kernel: Kernel, tmp_path: Path) -> None:
    folder = unified(tmp_path, "memory")
    proc = kernel(
        "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n",
        f"33 31 0:30 / {tmp_path}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        f"34 31 0:31 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
        f"41 31 0:38 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw\n",
    )
    assert cgroups.places("", proc) == {
        "memory": Place(folder, 2),
        "cpu": Place(tmp_path / "cpu,cpuacct" / "x", 1),
    }


def test_a_group_of_the_operator_takes_the_place_of_the_hubs(kernel: Kernel, tmp_path: Path) -> None:
    folder = unified(tmp_path, "memory")
    proc = kernel("0::/hub\n", f"30 23 0:26 / {folder} rw - cgroup2 cgroup2 rw\n")
    assert cgroups.places("/servers/jupyter", proc)["memory"].folder == folder / "servers" / "jupyter"


def test_the_hub_may_have_been_moved_already(kernel: Kernel, tmp_path: Path) -> None:
    folder = unified(tmp_path, "memory", "hub.service")
    (folder / OWN_LEAF).mkdir()
    proc = kernel(f"0::/hub.service/{OWN_LEAF}\n", f"30 23 0:26 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw\n")
    assert cgroups.places("", proc) == {"memory": Place(folder, 2)}


def test_without_a_kernel_that_has_groups_there_are_none(tmp_path: Path, kernel: Kernel) -> None:
    assert cgroups.places("", tmp_path / "nothing") == {}
    assert cgroups.places("", kernel("", "23 0 0:20 / / rw - overlay overlay rw\n")) == {}


def test_one_group_of_the_unified_hierarchy_has_all_limits(tmp_path: Path) -> None:
    found = {"memory": Place(tmp_path, 2), "cpu": Place(tmp_path, 2)}
    both = Wanted(MEMORY.mem_limit, MEMORY.mem_guarantee, CPU.cpu_limit, CPU.cpu_guarantee)
    groups, missing = plan(both, "run", found)
    assert missing == ()
    assert groups == (
        Group(
            tmp_path / f"{PREFIX}run",
            2,
            (
                ("memory.max", "100000000"),
                ("?memory.swap.max", "0"),
                ("memory.low", "50000000"),
                ("cpu.max", "50000 100000"),
                ("cpu.weight", "200"),
            ),
        ),
    )


def test_older_hierarchies_have_a_group_each(tmp_path: Path) -> None:
    found = {"memory": Place(tmp_path / "m", 1), "cpu": Place(tmp_path / "c", 1)}
    memory, _ = plan(MEMORY, "run", found)
    assert dict(memory[0].settings) == {
        "memory.limit_in_bytes": "100000000",
        "?memory.memsw.limit_in_bytes": "100000000",
        "memory.soft_limit_in_bytes": "50000000",
    }
    cpu, _ = plan(CPU, "run", found)
    assert dict(cpu[0].settings) == {
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "cpu.shares": "2048",
    }


@pytest.mark.parametrize(
    ("wanted", "setting"),
    [
        (Wanted(cpu_limit=0.0001), ("cpu.max", "1000 100000")),
        (Wanted(cpu_limit=1e300), ("cpu.max", "409600000 100000")),
        (Wanted(cpu_guarantee=0.001), ("cpu.weight", "1")),
        (Wanted(cpu_guarantee=1e300), ("cpu.weight", "10000")),
    ],
)
def test_what_the_kernel_would_refuse_becomes_what_is_next_to_it(
    tmp_path: Path, wanted: Wanted, setting: tuple[str, str]
) -> None:
    groups, _ = plan(wanted, "run", {"cpu": Place(tmp_path, 2)})
    assert groups[0].settings == (setting,)


def test_without_limits_a_group_holds_processes_together(tmp_path: Path) -> None:
    found = {"memory": Place(tmp_path / "m", 1), "cpu": Place(tmp_path / "c", 1)}
    assert plan(Wanted(), "run", found) == ((Group(tmp_path / "m" / f"{PREFIX}run", 1, ()),), ())
    assert cgroups.not_held(Wanted(), {"memory": Place(tmp_path / "none", 1)}) == []
    assert not (tmp_path / "none").exists()


def test_groups_of_a_run_are_those_that_are_there(tmp_path: Path) -> None:
    found = {"memory": Place(tmp_path / "memory", 1), "cpu": Place(tmp_path / "cpu", 1)}
    there = tmp_path / "cpu" / f"{cgroups.PREFIX}abc"
    there.mkdir(parents=True)
    assert cgroups.of_run("abc", found) == (there,)
    assert cgroups.of_run("abd", found) == ()


def test_without_a_hierarchy_it_is_said(tmp_path: Path) -> None:
    assert plan(Wanted(), "run", {}) == ((), ())
    assert cgroups.not_held(Wanted(), {}) == []
    assert plan(MEMORY, "run", {}) == ((), ("memory",))
    (sentence,) = cgroups.not_held(Wanted(mem_limit=1, cpu_limit=1), {})
    assert sentence.startswith("Limits of servers for memory and cpu are not held")


def test_a_group_that_cannot_be_made_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (sentence,) = cgroups.not_held(MEMORY, {"memory": Place(tmp_path / "file", 1)})
    assert f"no control group can be made in {tmp_path / 'file'} (File exists)" in sentence
    assert "docs/spawners.md" in sentence


class Unified:
    """What a kernel would do to the files of the unified hierarchy."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.written: list[tuple[str, str]] = []
        write_text = Path.write_text

        def written(path: Path, text: str, *args: object) -> int:
            if path.is_relative_to(folder):
                self.written.append((str(path.relative_to(folder)), text))
                if path.name == "cgroup.subtree_control" and (path.parent / "cgroup.procs").read_text():
                    raise OSError(errno.EBUSY, "Device or resource busy")
                if path.name == "cgroup.procs" and path.parent != folder:
                    left = (folder / "cgroup.procs").read_text().split()
                    left.remove(text)
                    write_text(folder / "cgroup.procs", "\n".join(left))
            return write_text(path, text)

        mkdir = Path.mkdir

        def made(path: Path, *args: object, **kwargs: object) -> None:
            mkdir(path, *args, **kwargs)  # type: ignore[arg-type]
            if path.is_relative_to(folder):
                for name in ("cgroup.subtree_control", "cgroup.procs"):
                    (path / name).touch()

        monkeypatch.setattr(Path, "write_text", written)
        monkeypatch.setattr(Path, "mkdir", made)


def test_the_hub_makes_way_for_groups_below_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = unified(tmp_path, "cpu memory")
    child = subprocess.Popen(["sleep", "600"])
    try:
        (folder / "cgroup.procs").write_text(f"{os.getpid()}\n{child.pid}\n")
        hierarchy = Unified(folder, monkeypatch)
        groups, _ = plan(MEMORY, "run", {"memory": Place(folder, 2)})
        make(groups)
        assert hierarchy.written == [
            ("cgroup.subtree_control", "+memory"),
            (f"{OWN_LEAF}/cgroup.procs", str(os.getpid())),
            (f"{OWN_LEAF}/cgroup.procs", str(child.pid)),
            ("cgroup.subtree_control", "+memory"),
            (f"{PREFIX}run/memory.max", "100000000"),
            (f"{PREFIX}run/memory.low", "50000000"),
        ]
    finally:
        child.kill()
        child.wait()


def test_a_group_that_the_hub_shares_with_others_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unified(tmp_path, "cpu memory")
    (folder / "cgroup.procs").write_text(f"{os.getpid()}\n1\n")
    Unified(folder, monkeypatch)
    (sentence,) = cgroups.not_held(MEMORY, {"memory": Place(folder, 2)})
    assert "the hub shares its control group with other processes, such as 1" in sentence
    assert not (folder / OWN_LEAF).exists()


def test_what_is_handed_down_already_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = unified(tmp_path, "cpu memory")
    (folder / "cgroup.subtree_control").write_text("cpu memory\n")
    hierarchy = Unified(folder, monkeypatch)
    groups, _ = plan(Wanted(mem_limit=5), "run", {"memory": Place(folder, 2)})
    make(groups)
    assert hierarchy.written == [(f"{PREFIX}run/memory.max", "5")]


def test_folders_on_the_way_to_a_group_of_the_operator_hand_down_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unified(tmp_path, "cpu memory")
    hierarchy = Unified(folder, monkeypatch)
    groups, _ = plan(Wanted(mem_limit=5), "run", {"memory": Place(folder / "a" / "b", 2)})
    make(groups)
    assert hierarchy.written == [
        ("cgroup.subtree_control", "+memory"),
        ("a/cgroup.subtree_control", "+memory"),
        ("a/b/cgroup.subtree_control", "+memory"),
        (f"a/b/{PREFIX}run/memory.max", "5"),
    ]


async def test_processes_are_told_and_groups_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "cgroup.procs").write_text("7\n8\n")
    assert cgroups.processes_in([tmp_path / "a", tmp_path / "gone"]) == {7, 8}
    monkeypatch.setattr(cgroups, "REMOVE_PAUSE", 0)
    assert await cgroups.remove([tmp_path / "a", tmp_path / "gone"]) == [tmp_path / "a"]
    (tmp_path / "a" / "cgroup.procs").unlink()
    assert await cgroups.remove([tmp_path / "a"]) == []
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("name", "text", "ran_out"),
    [
        ("memory.events", "low 0\nmax 12\noom 1\noom_kill 1\n", True),
        ("memory.events", "low 0\nmax 12\noom 1\noom_kill 0\n", False),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("memory.oom_control", "something else entirely\n", False),
        ("cpu.stat", "oom_kill 1\n", False),
    ],
)
def test_the_kernel_tells_whose_memory_was_used_up(tmp_path: Path, name: str, text: str, ran_out: bool) -> None:
    (tmp_path / name).write_text(text)
    assert cgroups.ran_out_of_memory([tmp_path / "gone", tmp_path]) is ran_out


# On this machine, as it is.

REAL = cgroups.places()
NO_MEMORY = cgroups.not_held(Wanted(mem_limit=100_000_000), REAL)
NO_CPU = cgroups.not_held(Wanted(cpu_limit=1), REAL)


@pytest.fixture
def joined() -> Iterator[Callable[[Wanted, str], subprocess.Popen[str]]]:
    """A function that runs a Python script inside groups with limits."""
    made: list[Group] = []

    def run(wanted: Wanted, script: str) -> subprocess.Popen[str]:
        groups, _ = plan(wanted, f"test-{os.getpid()}", REAL)
        make(groups)
        made.extend(groups)
        enter = "".join(f"open({str(group.folder / 'cgroup.procs')!r}, 'w').write('0')\n" for group in groups)
        return subprocess.Popen([sys.executable, "-c", enter + script], stdout=subprocess.PIPE, text=True)

    yield run
    for group in made:
        for _ in range(100):
            if cgroups._remove(group.folder):
                break
            os.sched_yield()


@pytest.mark.skipif(bool(NO_MEMORY), reason="; ".join(NO_MEMORY))
def test_whoever_uses_more_memory_than_it_may_is_ended(
    joined: Callable[[Wanted, str], subprocess.Popen[str]],
) -> None:
    wanted = Wanted(mem_limit=60_000_000, mem_guarantee=10_000_000)
    child = joined(wanted, "print(len(bytearray(10_000_000)), flush=True); bytearray(b'x') * 200_000_000")
    out, _ = child.communicate(timeout=60)
    assert (out, child.returncode) == ("10000000\n", -9)
    groups, _ = plan(wanted, f"test-{os.getpid()}", REAL)
    assert cgroups.ran_out_of_memory([group.folder for group in groups])


@pytest.mark.skipif(bool(NO_CPU), reason="; ".join(NO_CPU))
def test_whoever_wants_more_of_a_processor_than_it_may_have_waits(
    joined: Callable[[Wanted, str], subprocess.Popen[str]],
) -> None:
    wanted = Wanted(cpu_limit=0.2, cpu_guarantee=0.1)
    spin = "import time\nbegun = time.monotonic()\nwhile time.process_time() < 0.3: pass\n"
    out, _ = joined(wanted, f"{spin}print(time.monotonic() - begun)").communicate(timeout=60)
    assert float(out) > 0.8


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"memory.current": "900\n", "memory.max": "4096\n", "memory.stat": "anon 1\ninactive_file 300\n"},
            (600, 4096),
        ),
        ({"memory.current": "900\n", "memory.max": "max\n", "memory.stat": "anon 1\n"}, (900, None)),
        (
            {
                "memory.usage_in_bytes": "900",
                "memory.limit_in_bytes": "9223372036854771712",
                "memory.stat": "total_inactive_file 1000\n",
            },
            (0, None),
        ),
        ({"memory.current": "much", "memory.max": "max", "memory.stat": ""}, None),
        ({"cpu.max": "max 100000"}, None),
    ],
)
def test_a_group_tells_what_is_used_and_what_may_be(tmp_path: Path, files: dict[str, str], expected: object) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cgroups.memory_in([tmp_path / "gone", tmp_path]) == expected
