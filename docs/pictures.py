"""Take the pictures of the rollouts' page: `python docs/pictures.py`, from the checkout, with Chromium on the path.

The rollout really goes, in memory: an A/B test, then a canary up to its question. Nothing needs to run.
"""

import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import cast

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from playwright.sync_api import sync_playwright  # noqa: E402 - the checkout comes first

from firstflight.cli.open import listen, serve  # noqa: E402 - see above
from firstflight.orchestrator import Orchestrator  # noqa: E402 - see above
from firstflight.page.app import Keys, app  # noqa: E402 - see above
from firstflight.page.reading import Reading  # noqa: E402 - see above
from firstflight.settings import Settings  # noqa: E402 - see above
from tests.unit.acts.twin import Twin  # noqa: E402 - see above
from tests.unit.report.conftest import looked_on, released  # noqa: E402 - see above

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PICTURES = {"page.png": ("light", ""), "page-evidence.png": ("dark", ".guardrails")}
"""Name of the file → light or dark, and which part of the page; none: its beginning."""


def main() -> None:
    """Serve a rollout that asks, and take its picture in each size."""
    twin = Twin()
    waiting = released(twin)
    looked_on(twin, waiting, 20)
    ended = threading.Event()
    settings, keys = Settings(home=Path(tempfile.gettempdir()), page_port=4913), Keys()
    site = app(Reading(twin.world.ledger), cast("Orchestrator", None), settings, keys, ended)
    threading.Thread(target=serve, args=(site, listen(settings), ended), daemon=True).start()
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM) as browser:
        page = browser.new_page()
        page.goto(f"{settings.page}/sign-in#{keys.code},/")
        page.wait_for_url(f"{settings.page}/")
        key = page.evaluate("localStorage.getItem('firstflight-key')")
        for name, (scheme, part) in PICTURES.items():
            context = browser.new_context(viewport={"width": 1000, "height": 1000}, color_scheme=scheme)
            context.add_init_script(f"localStorage.setItem('firstflight-key', '{key}')")
            page = context.new_page()
            page.goto(f"{settings.page}/rollouts/{waiting.id}")
            page.get_by_label("Your name").fill("mara")
            page.get_by_label("Approve:").check()
            page.evaluate("document.activeElement.blur()")
            (page.locator(part) if part else page).screenshot(path=ROOT / "docs" / "img" / name)


if __name__ == "__main__":
    main()
