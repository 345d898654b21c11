"""The import contract can fail: one wrong import planted per contract, and each is caught."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# contract → the module the wrong import goes into, and the wrong import
PLANTED = {
    "programs": ("proxy/net/planted.py", "import perijove.hub.core"),
    "hub": ("hub/core/planted.py", "def late():\n    import perijove.hub.usecases"),
    "proxy": ("proxy/core/planted.py", "import perijove.proxy.net"),
    "adapters": ("hub/adapters/store/planted.py", "import perijove.hub.adapters.spawners"),
    "frameworks": ("hub/usecases/planted.py", "import fastapi\nimport perijove.hub.ports"),
    "websql": ("hub/web/planted.py", "from sqlalchemy import select"),
    "pure": ("wire/planted.py", "import time"),
    "acyclic": ("hub/ports/planted.py", "import perijove.hub.usecases"),
    "outside": ("client/planted.py", "import perijove.hub.core"),
}


def contracts(checkout: Path) -> dict[str, str]:
    """Each contract's identifier and name."""
    config = configparser.ConfigParser()
    config.read(checkout / ".importlinter")
    return {
        section.removeprefix("importlinter:contract:"): config[section]["name"]
        for section in config.sections()
        if section.startswith("importlinter:contract:")
    }


@pytest.fixture(scope="module")
def copy(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its contract, to be spoilt."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(checkout / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(checkout / ".importlinter", root)
    return root


def lint_imports(root: Path) -> tuple[int, str]:
    """Run import-linter on the package below *root*; return its exit code and its report on lines of any length."""
    run = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def test_every_contract_is_shown_to_catch_something(checkout: Path) -> None:
    assert contracts(checkout).keys() == PLANTED.keys()


def test_each_planted_import_breaks_its_contract(checkout: Path, copy: Path) -> None:
    for module, statement in PLANTED.values():
        (copy / "src" / "perijove" / module).write_text(f"{statement}\n")
    code, report = lint_imports(copy)
    assert code == 1, report
    kept = [
        name for name in contracts(checkout).values() if not re.search(rf"^{re.escape(name)} +.*BROKEN", report, re.M)
    ]
    assert kept == [], report


@pytest.mark.parametrize("package", ["hub", "proxy"])
def test_a_new_folder_must_be_given_its_layer(copy: Path, package: str) -> None:
    folder = copy / "src" / "perijove" / package / "elsewhere"
    folder.mkdir()
    (folder / "__init__.py").touch()
    code, report = lint_imports(copy)
    assert code == 1
    assert f"perijove.{package}.elsewhere" in report
    shutil.rmtree(folder)
