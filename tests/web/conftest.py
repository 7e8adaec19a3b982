"""The built pages, a browser to open them in, and a server on a copy of the demo district."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr

from gridmap.api.identity import Tokens
from tests.api.conftest import Server, gridmap
from tests.web.chromium import chromium

ROOT = Path(__file__).parents[2]
SECRET = "a secret of the tests, long enough to sign"


@pytest.fixture(scope="session")
def built() -> Path:
    """web/, with what is built from it in its place and what it is checked by installed."""
    subprocess.run([ROOT / "scripts" / "web", "dev"], check=True)
    return ROOT / "web"


# Playwright's loop runs in this thread for as long as the browser does, and nobody else's can.
@pytest.fixture(scope="package")
def browser(built: Path) -> Iterator[Browser]:
    assert built.is_dir()
    try:
        program = chromium()
    except LookupError as error:
        pytest.skip(str(error))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    photos = tmp_path_factory.mktemp("photos").as_uri()
    with gridmap(
        "serve", DATABASE_URL=demo_url, GRIDMAP_SECRET=SECRET, GRIDMAP_PHOTOS=photos
    ) as server:
        yield server


@pytest.fixture(scope="session")
def tokens() -> Tokens:
    """Issues what the server takes."""
    return Tokens(SecretStr(SECRET))
