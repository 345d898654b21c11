"""Documents say what is so: versions agree, links lead somewhere, every decision is listed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import perijove

LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def documents(checkout: Path) -> list[Path]:
    return [
        *checkout.glob("*.md"),
        *(checkout / "docs").rglob("*.md"),
        *(checkout / "bench").glob("*.md"),
        *(checkout / "examples").rglob("*.md"),
    ]


def test_the_changelog_opens_with_this_version(checkout: Path) -> None:
    newest = re.search(r"^## (\S+)", (checkout / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == perijove.__version__


def test_every_link_leads_to_a_file(checkout: Path) -> None:
    broken = [
        f"{document.relative_to(checkout)}: {target}"
        for document in documents(checkout)
        for target in LINK.findall(CODE.sub("", document.read_text()))
        if not (document.parent / target).exists()
    ]
    assert broken == []


def test_programs_in_the_documents_import_what_there_is(checkout: Path) -> None:
    blocks = [
        block
        for document in documents(checkout)
        for block in re.findall(r"^```python\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    ]
    imports = [line for block in blocks for line in re.findall(r"^from perijove\S* import .*$", block, re.MULTILINE)]
    assert imports
    for line in imports:
        exec(line, {})


def test_every_decision_is_listed(checkout: Path) -> None:
    folder = checkout / "docs" / "adr"
    listed = set(LINK.findall((folder / "README.md").read_text()))
    assert {path.name for path in folder.glob("[0-9]*.md")} <= listed


def test_decisions_are_numbered_without_gaps(checkout: Path) -> None:
    numbers = sorted(int(path.name[:4]) for path in (checkout / "docs" / "adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_make_target_in_the_documents_exists(checkout: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (checkout / "Makefile").read_text(), re.MULTILINE))
    for document in documents(checkout):
        for line in re.findall(r"(?:`|^)make ([a-z -]+)(?:`|$)", document.read_text(), re.MULTILINE):
            assert set(line.split()) <= targets, f"{document.name}: make {line}"


def test_make_help_lists_every_target(checkout: Path) -> None:
    makefile = (checkout / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert declared is not None
    output = subprocess.run(["make", "-s", "help"], cwd=checkout, check=True, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in output.splitlines()} == set(declared[1].split())


def test_every_picture_is_shown(checkout: Path) -> None:
    pictures = {path.name for path in (checkout / "docs" / "images").iterdir()}
    texts = [checkout / "README.md", *(checkout / "docs").glob("*.md")]
    shown = {name for path in texts for name in re.findall(r"images/([\w.-]+)", path.read_text(encoding="utf-8"))}
    assert shown == pictures
