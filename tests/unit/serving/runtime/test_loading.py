"""Which code serves a registered folder."""

import json
from pathlib import Path

import pytest

from firstflight.domain.errors import ServingError
from firstflight.serving.runtime.loading import load
from tests.serving_bench import artifact


def test_other_files_are_not_loaded(tmp_path: Path) -> None:
    """The digest is looked at before anything that lies there."""
    version = artifact(tmp_path / "model", 1)
    assert version.digest == load(tmp_path / "model", version.digest).digest
    (tmp_path / "model" / "model.json").write_text("no JSON", encoding="utf-8")
    with pytest.raises(ServingError, match=version.digest):
        load(tmp_path / "model", version.digest)


@pytest.mark.parametrize("workload", ["weather", "../market", "os", ""])
def test_a_folder_names_no_code_but_ours(tmp_path: Path, workload: str) -> None:
    """Whoever may change a folder runs nothing by it."""
    artifact(tmp_path / "model", 1)
    (tmp_path / "model" / "model.json").write_text(json.dumps({"workload": workload}), encoding="utf-8")
    with pytest.raises(ServingError, match="does not know"):
        load(tmp_path / "model", None)
