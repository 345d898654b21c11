from __future__ import annotations

import subprocess
import sys

import pytest

from perijove import __version__, cli


def modules_after(argv: list[str]) -> set[str]:
    """Run the command in a process of its own and return what it had imported in the end."""
    code = (
        "import contextlib, io, sys\nfrom perijove.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({argv!r})\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_version_is_ours_and_names_the_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"perijove {__version__} (speaks JupyterHub 6.1.1)\n"


def test_the_proxy_is_run_without_the_hub() -> None:
    imported = modules_after(["proxy", "--help"])
    assert "perijove.proxy.cli" in imported
    assert {name for name in imported if name.startswith("perijove.hub")} == set()


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["--prot"]])
def test_quick_answers_import_nothing_heavy(argv: list[str]) -> None:
    imported = modules_after(argv)
    assert (
        imported & {"traitlets", "asyncio", "sqlalchemy", "fastapi", "perijove.hub.plugins", "perijove.proxy"} == set()
    )


def test_everything_else_goes_to_the_hub(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert "perijove check-config" in capsys.readouterr().out
    assert cli.main(["--prot"]) == 2


def test_an_old_python_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    assert cli.main([]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("perijove: Python 3.11 or newer is needed; this is Python 3.10")


def test_the_arguments_of_the_process_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["perijove", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out.startswith("perijove ")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f'"{sys.executable}" -m perijove --help-all | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""
