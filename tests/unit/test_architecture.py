"""The picture of the folders shows the folders that there are, and only workloads say what a model is about."""

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


OF_THE_MARKET = re.compile("ticker|ohlcv|sharpe|stock|probability_up|lightweight", re.IGNORECASE)


def test_only_a_workload_says_what_its_models_are_about() -> None:
    """No word of the financial predictor stands in flows, tasks or library outside `workloads/`, files of any kind."""
    library = ROOT / "src" / "firstflight"
    looked_at = [
        path
        for folder in (ROOT / "flows", ROOT / "tasks", library)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.is_relative_to(library / "workloads")
    ]
    kinds = {path.relative_to(ROOT).parts[0] for path in looked_at}, {path.suffix for path in looked_at}
    assert ({"flows", "tasks", "src"}, True) == (kinds[0], {".py", ".css", ".j2"} <= kinds[1])
    assert len(looked_at) > 200, f"looked at {len(looked_at)} files alone"
    told = [
        f"{path.relative_to(ROOT)}:{number}: {line}"
        for path in looked_at
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if OF_THE_MARKET.search(line)
    ]
    assert [] == told
