"""Pages as a person meets them: Chromium, driven by Playwright, and axe-core's rules of accessibility."""

import shutil
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
PHONE, SCREEN = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def complaints(page: Page) -> list[str]:
    """What axe-core finds in a page: the rule, and the first element that breaks it."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {rule['help']}: {rule['nodes'][0]['html'][:200]}" for rule in found]


def sheets(page: Page, path: Path) -> int:
    """The number of A4 pages that it prints."""
    page.pdf(path=path, format="A4", prefer_css_page_size=True)
    return path.read_bytes().count(b"/Type /Page\n")


def overflow(page: Page) -> int:
    """The pixels by which the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
