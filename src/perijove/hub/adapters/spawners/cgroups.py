"""Memory and processors of one server held within limits by control groups of Linux; see cgroups(7).

The unified hierarchy (version 2) is taken for what it offers, the older ones (version 1) for the rest. Each server
has a group of its own inside the hub's, one without a limit too: no process can leave it, so all of them are found
again. Where there is no group to be had, nothing is limited.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

MOST_CPUS: Final = 4096.0
PERIOD: Final = 100_000
"""Microseconds over which the time of processors is shared out; the kernel's default."""
SHORTEST_QUOTA: Final = 1000
"""The least that the kernel takes, in microseconds."""
OWN_LEAF: Final = "perijove-hub"
"""Where the hub's own processes go: a group of version 2 with groups below that are limited has no processes itself."""
PREFIX: Final = "perijove-"
REMOVE_TRIES: Final = 40
REMOVE_PAUSE: Final = 0.05
CONTROLLERS: Final = ("memory", "cpu")
_MEMORY_FILES: Final = (
    ("memory.current", "memory.max", "inactive_file"),
    ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"),
)
"""What says how much is used, what may be, and how much of the first is dispensable; versions 2 and 1."""
_NO_LIMIT: Final = 1 << 60
"""From so many bytes on, a limit of version 1 means none: the kernel writes the most that it can count."""


class Wanted(Struct, frozen=True):
    """What a server may use and has for sure: bytes, and processors; None for no such limit."""

    mem_limit: int | None = None
    mem_guarantee: int | None = None
    cpu_limit: float | None = None
    cpu_guarantee: float | None = None

    def __bool__(self) -> bool:
        """Say whether anything is wanted."""
        return self != Wanted()

    def of(self, controller: str) -> tuple[float | None, float | None]:
        """Return limit and guarantee of one controller."""
        if controller == "memory":
            return self.mem_limit, self.mem_guarantee
        return self.cpu_limit, self.cpu_guarantee


class Place(Struct, frozen=True):
    """Where groups of one controller can be made.

    Attributes:
        folder: the group in which they are made.
        version: 1 or 2.
    """

    folder: Path
    version: int


def places(parent: str = "", proc: Path = Path("/proc/self")) -> dict[str, Place]:
    """Return by controller where groups can be made; those that are missing have no hierarchy here.

    Args:
        parent: the path of a group below the mount points; empty for that of this process.
        proc: what the kernel says of this process.
    """
    try:
        own, mounts = (proc / "cgroup").read_text(), (proc / "mountinfo").read_text()
    except OSError:
        return {}
    paths: dict[str, str] = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    found: dict[str, Place] = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mount = before.split(" ")[3:5]
        if kind == "cgroup2":
            folder = _within(mount, root, paths.get("", "/"), parent)
            found |= {name: Place(folder, 2) for name in CONTROLLERS if name in _offered(folder)}
        elif kind == "cgroup":
            for name in set(CONTROLLERS) & set(options.split(",")):
                found.setdefault(name, Place(_within(mount, root, paths.get(name, "/"), parent), 1))
    return {name: found[name] for name in CONTROLLERS if name in found}


def _within(mount: str, root: str, path: str, parent: str) -> Path:
    """Return where *parent* is seen, else the group *path*, if the group *root* is mounted at *mount*."""
    if parent:
        return Path(os.path.normpath(f"{mount}/{parent}"))
    below = os.path.relpath(path, root)
    folder = Path(os.path.normpath(f"{mount}/{below}" if not below.startswith("..") else mount))
    return folder.parent if folder.name == OWN_LEAF else folder


def _offered(folder: Path) -> list[str]:
    """Return the controllers that groups in *folder* can have, or could if it is not there yet."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        return (folder / "cgroup.controllers").read_text().split()
    except OSError:
        return []


class Group(Struct, frozen=True):
    """The group of one server in one hierarchy.

    Attributes:
        folder: where it is.
        version: 1 or 2.
        settings: files and what is written to them; one with a ``?`` in front need not exist.
    """

    folder: Path
    version: int
    settings: tuple[tuple[str, str], ...]


def not_held(wanted: Wanted, found: Mapping[str, Place]) -> list[str]:
    """Return why limits of *wanted* are not held here, a sentence each; found out by making such groups. Blocks."""
    if not wanted:
        return []
    groups, missing = plan(wanted, f"trial-{os.getpid()}", found)
    problems = [no_hierarchy(missing)] if missing else []
    try:
        make(groups)
    except OSError as error:
        problems.append(no_group(groups, error))
    for group in groups:
        _remove(group.folder)
    return problems


def no_hierarchy(missing: Sequence[str]) -> str:
    """Say that the limits of *missing* controllers are not held."""
    return f"Limits of servers for {' and '.join(missing)} are not held: this machine offers no control groups for it."


def no_group(groups: Sequence[Group], error: OSError) -> str:
    """Say that *groups* cannot be made."""
    return (
        f"The limits of servers are not held: no control group can be made in {groups[0].folder.parent} "
        f"({error.strerror or error}). docs/spawners.md says what a hub needs for that."
    )


def plan(wanted: Wanted, run_id: str, found: Mapping[str, Place]) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups to make for a server, and the controllers that *wanted* needs and nothing here offers."""
    settings: dict[Place, tuple[tuple[str, str], ...]] = {}
    missing: list[str] = []
    for controller in CONTROLLERS:
        limit, guarantee = wanted.of(controller)
        if limit is None and guarantee is None:
            continue
        if controller not in found:
            missing.append(controller)
            continue
        place = found[controller]
        settings[place] = settings.get(place, ()) + _settings(controller, place.version, limit, guarantee)
    if not settings and found:
        # It limits nothing, and holds the processes of the server together.
        settings = {next(iter(found.values())): ()}
    name = f"{PREFIX}{run_id}"
    return tuple(Group(place.folder / name, place.version, given) for place, given in settings.items()), tuple(missing)


def of_run(run_id: str, found: Mapping[str, Place]) -> tuple[Path, ...]:
    """Return the groups of a server that are there. Blocks."""
    folders = dict.fromkeys(place.folder / f"{PREFIX}{run_id}" for place in found.values())
    return tuple(folder for folder in folders if folder.is_dir())


def _settings(
    controller: str, version: int, limit: float | None, guarantee: float | None
) -> tuple[tuple[str, str], ...]:
    """Return files and values for one controller."""
    table = _memory_settings if controller == "memory" else _cpu_settings
    return tuple(table(version, limit, guarantee))


def _memory_settings(version: int, limit: float | None, guarantee: float | None) -> Iterator[tuple[str, str]]:
    unified = version == 2
    if limit:
        yield "memory.max" if unified else "memory.limit_in_bytes", str(int(limit))
        # Without this, a server would go on in swap, and slow everybody down.
        yield ("?memory.swap.max", "0") if unified else ("?memory.memsw.limit_in_bytes", str(int(limit)))
    if guarantee:
        yield "memory.low" if unified else "memory.soft_limit_in_bytes", str(int(guarantee))


def _cpu_settings(version: int, limit: float | None, guarantee: float | None) -> Iterator[tuple[str, str]]:
    unified = version == 2
    if limit:
        quota = max(SHORTEST_QUOTA, int(min(limit, MOST_CPUS) * PERIOD))
        if unified:
            yield "cpu.max", f"{quota} {PERIOD}"
        else:
            yield "cpu.cfs_period_us", str(PERIOD)
            yield "cpu.cfs_quota_us", str(quota)
    if guarantee:
        # Shares count only where processors are short, and against those of the neighbours: 100 or 1024 for one.
        name, one, least, most = ("cpu.weight", 100, 1, 10_000) if unified else ("cpu.shares", 1024, 2, 262_144)
        yield name, str(min(max(least, round(one * guarantee)), most))


def make(groups: Sequence[Group]) -> None:
    """Make the groups. Blocks. Raises OSError if one cannot be had as it is wanted; then none is left."""
    try:
        for group in groups:
            parent = group.folder.parent
            new = [folder for folder in (parent, *parent.parents) if not folder.exists()]
            parent.mkdir(parents=True, exist_ok=True)
            if group.version == 2:
                needed = {name.removeprefix("?").partition(".")[0] for name, _ in group.settings}
                for folder in (new[-1].parent, *reversed(new)) if new else (parent,):
                    _hand_down(folder, needed)
            group.folder.mkdir()
            for name, value in group.settings:
                file = group.folder / name.removeprefix("?")
                if not name.startswith("?") or file.exists():
                    file.write_text(value)
    except OSError:
        for group in groups:
            _remove(group.folder)
        raise


def _hand_down(parent: Path, needed: set[str]) -> None:
    """Let groups in *parent* have the *needed* controllers, and move the hub out of the way for that."""
    control = parent / "cgroup.subtree_control"
    lacking = sorted(needed - set(control.read_text().split()))
    if not lacking:
        return
    order = " ".join(f"+{name}" for name in lacking)
    try:
        control.write_text(order)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _move_hub(parent)
        control.write_text(order)


def _move_hub(parent: Path) -> None:
    """Move the processes of *parent* to a group of their own. Raises OSError if some are not of this hub's session."""
    pids = [int(pid) for pid in (parent / "cgroup.procs").read_text().split()]
    if strangers := [pid for pid in pids if pid != os.getpid() and not _descends(pid)]:
        raise OSError(errno.EBUSY, f"the hub shares its control group with other processes, such as {strangers[0]}")
    leaf = parent / OWN_LEAF
    leaf.mkdir(exist_ok=True)
    for pid in pids:
        try:
            (leaf / "cgroup.procs").write_text(str(pid))
        except ProcessLookupError:
            continue


def _descends(pid: int) -> bool:
    """Say whether process *pid* was started by this one, or by one that was."""
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return True  # gone
        if pid == os.getpid():
            return True
    return False


def processes_in(folders: Sequence[Path]) -> set[int]:
    """Return the ids of all processes in these groups."""
    found: set[int] = set()
    for folder in folders:
        try:
            found.update(map(int, (folder / "cgroup.procs").read_text().split()))
        except OSError:
            continue
    return found


def ran_out_of_memory(folders: Sequence[Path]) -> bool:
    """Say whether the kernel ended a process in one of these groups because its memory was used up."""
    for folder in folders:
        for name in ("memory.events", "memory.oom_control"):
            try:
                counts = dict(line.split() for line in (folder / name).read_text().splitlines())
            except (OSError, ValueError):
                continue
            if int(counts.get("oom_kill", "0")) > 0:
                return True
    return False


def memory_in(folders: Sequence[Path]) -> tuple[int, int | None] | None:
    """Return the bytes that the processes in these groups use, and the limit; None if no group counts memory. Blocks.

    Files that the kernel keeps in memory, and gives up as soon as it is needed, are not counted.
    """
    for folder in folders:
        for current, limit, dispensable in _MEMORY_FILES:
            try:
                used = int((folder / current).read_text())
                most = (folder / limit).read_text().strip()
                counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            except (OSError, ValueError):
                continue
            bytes_held = int(most) if most.isdecimal() and int(most) < _NO_LIMIT else None
            return max(0, used - int(counts.get(dispensable, "0"))), bytes_held
    return None


async def remove(folders: Sequence[Path]) -> list[Path]:
    """Remove the groups and return those that could not be, because something runs in them."""
    left = [folder for folder in folders if not _remove(folder)]
    for _ in range(REMOVE_TRIES):
        if not left:
            break
        await asyncio.sleep(REMOVE_PAUSE)  # the kernel frees a group a moment after its last process has gone
        left = [folder for folder in left if not _remove(folder)]
    return left


def _remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
