"""`make bench`: the proxy beside its peer and beside no proxy at all. bench/README.md says how to read the result."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import httpx
import uvloop
from load import Sample, measure, serve_upstream

import perijove

HERE = Path(__file__).resolve().parent
PATH = "/user/ada/api/status"
CONNECTIONS = 32
SECONDS = 3.0
ROUNDS = 5


@dataclass
class Subject:
    """What is measured: a port, the process behind it (None: the upstream itself) and what the runs saw."""

    name: str
    port: int
    pid: int | None = None
    samples: list[Sample] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        before = cpu_seconds(self.pid)
        sample = await measure(self.port, PATH, CONNECTIONS, seconds)
        self.samples.append(sample)
        self.cpu.append((cpu_seconds(self.pid) - before) / sample.seconds)

    @property
    def rate(self) -> float:
        return median(sample.rate for sample in self.samples)

    @property
    def per_cpu_second(self) -> float:
        """Requests per second of processor time, which other programs on the machine disturb less."""
        return median(sample.rate / cpu for sample, cpu in zip(self.samples, self.cpu, strict=True) if cpu)

    def row(self, reference: Subject, peer: Subject | None) -> str:
        """One line of the table."""
        p50, p99 = (median(sample.percentile(share) for sample in self.samples) * 1000 for share in (0.5, 0.99))
        beside = f"{self.rate / peer.rate:.2f} ×" if peer else "–"
        per_cpu = f"{self.per_cpu_second:,.0f}" if self.pid else "–"
        busy = f"{median(self.cpu):.0%}" if self.pid else "–"
        return (
            f"| {self.name} | {self.rate:,.0f} | {self.rate / reference.rate:.2f} × | {beside} "
            f"| {p50:.2f} ms | {p99:.2f} ms | {per_cpu} | {busy} |"
        )


def cpu_seconds(pid: int | None) -> float:
    """The processor time that process *pid* has taken; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peer_command() -> list[str] | None:
    """Install configurable-http-proxy into bench/.cache, if npm is there; return how to start it."""
    program = HERE / ".cache" / "node_modules" / ".bin" / "configurable-http-proxy"
    npm = shutil.which("npm")
    if not program.exists() and npm:
        print("installing configurable-http-proxy into bench/.cache", file=sys.stderr)
        (HERE / ".cache").mkdir(exist_ok=True)
        install = [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", ".", "configurable-http-proxy"]
        subprocess.run(install, cwd=HERE / ".cache", check=False)
    return [str(program)] if program.exists() else None


@contextmanager
def proxy(name: str, command: list[str], upstream: int, processor: int | None) -> Iterator[Subject]:
    """Run a proxy with one route to *upstream*, alone on *processor*; both take the same flags."""
    port, api_port, token = free_port(), free_port(), secrets.token_hex(16)
    flags = ["--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api_port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, *flags, "--log-level", "error"],
            env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": token},
            stdout=log,
            stderr=log,
        )
        try:
            if processor is not None:
                os.sched_setaffinity(process.pid, {processor})
            api = f"http://127.0.0.1:{api_port}/api/routes"
            with httpx.Client(
                headers={"Authorization": f"token {token}"}, transport=httpx.HTTPTransport(retries=8), trust_env=False
            ) as client:
                client.post(f"{api}/user/ada", json={"target": f"http://127.0.0.1:{upstream}"}).raise_for_status()
            yield Subject(name, port, process.pid)
        except httpx.HTTPError as error:
            log.seek(0)
            raise SystemExit(f"{name} did not start: {error}\n{log.read().decode(errors='replace')}") from error
        finally:
            process.terminate()
            process.wait()


def version_of(command: list[str]) -> str:
    lines = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout.split()
    return lines[-1] if lines else "?"


def machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
    return (
        f"{os.cpu_count()} × {models[0] if models else platform.processor()}, {platform.system()} {platform.release()}"
    )


def report(subjects: list[Subject], peer: Subject | None, versions: list[str], load: float) -> str:
    direct = subjects[0]
    lines = [
        "# Proxy: small GET requests",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {machine()} · load average before: {load:.2f}  ",
        f"{' · '.join(versions)}",
        "",
        f"{CONNECTIONS} keep-alive connections, {ROUNDS} alternating runs of {SECONDS:g} s each, medians.",
        "",
        "| | requests/s | to direct | to configurable-http-proxy | p50 | p99 | requests per CPU second | of a core |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(subject.row(direct, peer) for subject in subjects),
    ]
    if load > 0.5:
        lines += ["", "Other programs were at work: compare the requests per CPU second, and measure again."]
    if peer is None:
        lines += ["", "configurable-http-proxy was left out: npm is not installed, or could not install it."]
    return "\n".join(lines) + "\n"


async def bench() -> str:
    load = os.getloadavg()[0]
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    alone = processors[0] if len(processors) > 1 else None
    if alone is not None:
        os.sched_setaffinity(0, set(processors[1:2]))
    server, upstream = await serve_upstream()
    command = peer_command()
    versions = [f"Perijove {perijove.__version__}, Python {platform.python_version()}, uvloop {version('uvloop')}"]
    with ExitStack() as stack:
        subjects = [Subject("no proxy", upstream)]
        ours = [sys.executable, "-m", "perijove.proxy"]
        subjects.append(stack.enter_context(proxy("Perijove", ours, upstream, alone)))
        peer = None
        if command:
            peer = stack.enter_context(proxy("configurable-http-proxy", command, upstream, alone))
            subjects.append(peer)
            versions.append(f"configurable-http-proxy {version_of(command)}, Node {version_of(['node'])}")
        for subject in subjects:
            await measure(subject.port, PATH, CONNECTIONS, 1.0)  # warm-up
        for number in range(ROUNDS):
            print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
            for subject in subjects:
                await subject.run(SECONDS)
        server.close()
        return report(subjects, peer, versions, load)


def main() -> int:
    text = uvloop.run(bench())
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "proxy.md").write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
