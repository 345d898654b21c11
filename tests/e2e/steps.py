"""What a person does in the browser, step by step."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect
from tests.support.hubs import RunningHub

LONG = 90_000
TAKEN = 3_000
SENDS = 10


def sign_in(page: Page, hub: RunningHub, name: str, password: str = "correct horse") -> None:
    """Sign in by the form and arrive at the home page."""
    page.goto(f"{hub.url}/hub/login")
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/home")


def become_first_administrator(page: Page, hub: RunningHub, name: str, password: str = "correct horse") -> None:
    """Open the one-time link and choose name and password."""
    page.goto(hub.setup_link())
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.fill("[name=password_again]", password)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/hub/home")


def start_server(page: Page, name: str) -> None:
    """Press the button on the home page and arrive in JupyterLab."""
    page.get_by_role("button", name="Start my server").click()
    page.wait_for_url(f"**/user/{name}/lab**", timeout=LONG)
    page.wait_for_selector(".jp-Launcher", timeout=LONG)


def new_notebook(page: Page) -> None:
    """Open a notebook with the first kernel of the launcher, and wait until the kernel is idle."""
    page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell .cm-content", timeout=LONG)
    wait_idle(page)


def wait_idle(page: Page) -> None:
    """Wait until the kernel says that it is idle and the notebook knows of its session."""
    page.wait_for_function(
        """() => {
            const seen = document.querySelector('.jp-Notebook-ExecutionIndicator');
            return seen && seen.dataset.status === 'idle' &&
                !document.querySelector('.jp-NotebookPanel .jp-mod-initializing');
        }""",
        timeout=LONG,
    )


def run_cell(page: Page, code: str, expected: str) -> None:
    """Run *code* in the last cell of the notebook and wait until its output holds *expected*."""
    expect(type_and_send(page, code)).to_contain_text(expected, timeout=LONG)


def type_and_send(page: Page, code: str) -> Locator:
    """Run *code* in the last cell of the notebook and return where its output appears."""
    count = page.locator(".jp-NotebookPanel .jp-CodeCell").count()
    cell = page.locator(".jp-NotebookPanel .jp-CodeCell").nth(count - 1)
    cell.locator(".cm-content").click()
    page.keyboard.insert_text(code)
    expect(cell.locator(".cm-content")).to_contain_text(code.splitlines()[-1].strip())
    send(page, cell)
    return cell.locator(".jp-OutputArea-output").first


def send(page: Page, cell: Locator) -> None:
    """Press Shift+Enter until the cell is taken: JupyterLab drops what comes while it is still making its session."""
    for _ in range(SENDS):
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        try:
            expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[(\*|\d+)\]"), timeout=TAKEN)
        except AssertionError:
            continue
        return
    raise AssertionError("the notebook did not take the cell")
