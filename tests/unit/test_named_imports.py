"""Imports between our tests lead to ours, wherever a test module is run."""

from importlib.machinery import PathFinder
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_package_of_the_same_name_does_not_shadow_ours(tmp_path: Path) -> None:
    """Some distributions leave a package `tests` in site-packages: it comes later, but a folder alone would lose."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    found = PathFinder.find_spec("tests", [str(ROOT), str(tmp_path)])
    assert found is not None
    assert [str(ROOT / "tests")] == list(found.submodule_search_locations or ())
