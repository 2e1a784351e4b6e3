"""A real Chromium, a real market: pages served from this process, money on a real node, its steps taken by hand.

Without a Chromium these tests are skipped on a developer's machine and fail in CI. CHROMIUM names another binary.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.conftest import compiled, deployed  # noqa: F401  the compiler's cache of the run
from tests.nodes import AnvilNode

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
STEP_MS_MAX = 15_000


@pytest.fixture(scope="session")
def chromium():
    """The browser of the run."""
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: .ci/run installs it, or name one with CHROMIUM")
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import expect, sync_playwright

    # Playwright keeps an event loop in this thread, which Django takes for asynchronous code. Nothing here is.
    expect.set_options(timeout=STEP_MS_MAX)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=binary, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def exchange(transactional_db, anvil: AnvilNode, var: Path, compiled: Path, settings, chromium):  # noqa: F811
    """The market of tests/settlement, with a faucet."""
    settings.FAUCET, settings.FAUCET_TOKENS = True, 1_000 * 10**18
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    from tests.settlement.exchange import Exchange

    return Exchange(deployed(anvil, var, compiled, settings))


@pytest.fixture
def site(exchange, live_server) -> str:
    """Address of the pages."""
    return str(live_server.url)


@pytest.fixture
def window(chromium, site: str) -> Iterator[Window]:  # noqa: F821
    """A fresh browser window that hears every complaint of its pages; they fail the test at its end."""
    from tests.browser.window import Window

    context = chromium.new_context(base_url=site)
    context.set_default_timeout(STEP_MS_MAX)
    found = Window(context.new_page())
    yield found
    complaints = found.complaints
    context.close()
    assert not complaints, complaints
