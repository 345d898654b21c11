"""A small machine of its own, emulated by qemu: a kernel, this Python, and one program as its first process.

For what depends on how a kernel was started, such as control groups of version 2 alone. Nothing of it is on a disk: all
files are in the archive that the kernel unpacks into its memory (newc format of cpio(5)).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

QEMU: Final = "qemu-system-x86_64"
KERNELS: Final = Path(__file__).parents[2] / ".cache/kernel/boot"
"""Where scripts/test-components unpacks Debian's kernel."""
LEFT_OUT: Final = frozenset(
    {"test", "tests", "idlelib", "ensurepip", "lib2to3", "tkinter", "site-packages", "turtledemo", "pydoc_data"}
)
"""Folders of the standard library that no program here needs."""
MEMORY: Final = "768"
"""MB: the archive, unpacked, and what the program needs."""


def kernel() -> Path | None:
    """Return the kernel to boot; None if there is none."""
    return next(iter(sorted(KERNELS.glob("vmlinuz-*"))), None)


def missing() -> str:
    """Return what a machine cannot be had for; empty if it can."""
    if platform.machine() != "x86_64":
        return f"no kernel for {platform.machine()}"
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed"
    return "" if kernel() else f"no kernel in {KERNELS}"


class Archive:
    """The files of the machine, under the paths that they have here."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._names: set[str] = set()

    def file(self, name: str, mode: int, content: bytes = b"", modified: int = 0) -> None:
        """Write one entry; folders on the way come by themselves."""
        name = name.strip("/")
        if not name or name in self._names:
            return
        if (parent := str(Path(name).parent)) != ".":
            self.file(parent, stat.S_IFDIR | 0o755)
        self._names.add(name)
        raw = name.encode() + b"\0"
        fields = (len(self._names), mode, 0, 0, 1, modified, len(content), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self._out.write(head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4))

    def copy(self, path: Path) -> None:
        """Take over a file of this machine, and what it leads to if it is a link."""
        if path.is_symlink():
            target = path.readlink()
            self.file(str(path), stat.S_IFLNK | 0o777, os.fsencode(target))
            self.copy(Path(os.path.normpath(path.parent / target)))
        elif path.is_file():
            # With its time: only so is what was compiled of it taken for current.
            self.file(str(path), path.stat().st_mode, path.read_bytes(), int(path.stat().st_mtime))

    def tree(self, folder: Path, left_out: frozenset[str] = frozenset()) -> None:
        """Take over a folder of Python code."""
        for here, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name not in left_out and not name.startswith("config-")]
            for name in files:
                if Path(name).suffix in {".py", ".pyc", ".so"}:
                    self.copy(Path(here, name))

    def interpreter(self, packages: Iterable[Path]) -> None:
        """Take over this Python with its standard library, *packages*, and the libraries that these need."""
        library = Path(sysconfig.get_path("stdlib"))
        program = Path(sys.executable).resolve()
        self.copy(program)
        self.tree(library, LEFT_OUT)
        modules = [path for path in (library / "lib-dynload").glob("*.so") if "tkinter" not in path.name]
        for package in packages:
            self.tree(package)
            modules += package.rglob("*.so")
        for path in _libraries([program, *modules]):
            self.copy(path)

    def end(self) -> None:
        """Write what says that nothing follows."""
        self.file("TRAILER!!!", 0)


def _libraries(programs: Iterable[Path]) -> Iterator[Path]:
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    for word in sorted({word for word in told.split() if word.startswith("/") and not word.endswith(":")}):
        yield Path(word)


def run_in_a_machine(program: Path, packages: Sequence[str], folder: Path, seconds: float) -> str:
    """Boot a machine whose first process is the Python *program*; return what it printed until it was over.

    Args:
        program: called with the folders of *packages* on the path; the machine ends when it does.
        packages: what it imports beyond the standard library.
        folder: where the archive is written to.
        seconds: how long the machine may run.
    """
    found = kernel()
    assert found is not None
    folders = [_folder_of(name) for name in packages]
    paths = [str(path.parent) for path in folders]
    archive = folder / "initrd"
    with archive.open("wb") as out:
        files = Archive(out)
        files.interpreter(folders)
        files.copy(program)
        first = f"import runpy, sys\nsys.path += {paths!r}\nrunpy.run_path({str(program)!r}, run_name='__main__')\n"
        files.file("init", stat.S_IFREG | 0o755, f"#!{Path(sys.executable).resolve()} -ISB\n{first}".encode())
        files.end()
    machine = [QEMU, "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", MEMORY, "-nodefaults", "-no-user-config"]
    ends = ["-no-reboot", "-display", "none", "-serial", "stdio"]
    boots = ["-kernel", found, "-initrd", archive, "-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all"]
    with subprocess.Popen(
        [*machine, *ends, *map(str, boots)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        try:
            told, _ = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.kill()
            told, _ = running.communicate()
    return told.decode(errors="replace")


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None, f"{package} is not installed"
    return Path(spec.origin).parent
