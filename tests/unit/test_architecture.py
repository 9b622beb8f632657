"""The picture of the folders shows the folders that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_picture_shows_every_folder_and_no_other() -> None:
    """A stranger who looks for a file by the picture finds it."""
    shown = set(re.findall(r'class="n">([^<]+)<', (ROOT / "docs" / "img" / "house.svg").read_text(encoding="utf-8")))
    library = ROOT / "src" / "firstflight"
    folders = {f"{path.parent.name}/" for path in library.glob("*/__init__.py")} - {"workloads/"}
    loose = {path.name for path in library.glob("*.py")} - {"__init__.py"}
    assert folders | loose | {"flows/", "tasks/", "workloads/market/"} == shown
