"""What every model registry promises, in memory and over a real MLflow server."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import ModelNotFoundError, RegistryUnavailableError
from firstflight.registry.memory import MemoryRegistry
from firstflight.registry.mlflow_client import connect
from firstflight.registry.mlflow_files import fetch_model
from firstflight.registry.mlflow_registry import DESCRIPTION_LIMIT, MlflowRegistry
from firstflight.registry.mlflow_rest import MlflowRest
from firstflight.registry.mlflow_tracker import MlflowTracker
from firstflight.registry.registry import ModelRegistry
from tests.mlflow_bench import python_function

TAGS = {"training_data_hash": "sha256:" + "0" * 64, "git_commit": "abc", "gate": "passed"}
START_SECONDS = 240


@pytest.fixture(scope="module")
def mlflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the MLflow server's files."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def mlflow_uri(mlflow_home: Path) -> Iterator[str]:
    """A real MLflow server on a free port, with SQLite."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{mlflow_home}/mlflow.db"]
    command += ["--artifacts-destination", str(mlflow_home / "artifacts")]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (mlflow_home / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=log, stderr=log, cwd=mlflow_home, start_new_session=True
        )
    try:
        _wait_until_healthy(uri, server, mlflow_home / "server.log")
        yield uri
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=120)


def _wait_until_healthy(uri: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            requests.get(f"{uri}/health", timeout=2).raise_for_status()
        except requests.RequestException:
            time.sleep(0.2)  # between two looks; the deadline is above
        else:
            return
    pytest.fail(f"MLflow did not start within {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture
def closed_uri() -> Iterator[str]:
    """An address that refuses connections: its port is taken, and nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest) -> ModelRegistry:
    """Each implementation in turn."""
    if request.param == "memory":
        return MemoryRegistry()
    return MlflowRegistry(request.getfixturevalue("mlflow_uri"))


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    """A model name no other test uses."""
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")
    return str(name[:38]).rstrip("-")


@pytest.fixture
def artifact(tmp_path: Path) -> Callable[[str], Path]:
    """Make a served folder whose network has the given content."""

    def make(content: str) -> Path:
        folder = tmp_path / f"artifact-{content}"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(content.encode())
        (folder / "transform.json").write_text("{}")
        (folder / "model_card.md").write_text(f"# Card of {content}\n")
        description = {
            "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 2, 1]}],
            "outputs": [{"name": "probability_up", "datatype": "FP32", "shape": [-1]}],
            "example": [[0.5], [1.5]],
        }
        (folder / "model.json").write_text(json.dumps(description))
        return folder

    return make


def test_versions_are_numbered_in_order(registry: ModelRegistry, model: str, artifact: Callable[[str], Path]) -> None:
    """Versions are numbered from 1 in the order they came, and carry variant and digest."""
    files = artifact("a")
    first = registry.register(model, "baseline", files, TAGS)
    second = registry.register(model, "enhanced", artifact("b"), TAGS)
    assert (1, "baseline", folder_digest(files)) == (first.number, first.variant, first.digest)
    assert 2 == second.number
    assert (first, second) == registry.versions(model)


def test_registering_twice_gives_one_version(
    registry: ModelRegistry, model: str, artifact: Callable[[str], Path]
) -> None:
    """A retried registration finds what the first one made; other tags or another variant are another version."""
    files = artifact("a")
    first = registry.register(model, "baseline", files, TAGS)
    assert first == registry.register(model, "baseline", files, TAGS)
    assert 2 == registry.register(model, "baseline", files, {**TAGS, "gate": "refused"}).number
    assert 3 == registry.register(model, "lightweight", files, TAGS).number


def test_an_unknown_model_has_no_versions(registry: ModelRegistry, model: str) -> None:
    """Asking for the versions of a model nobody registered gives none, asking for one of them says so."""
    assert () == registry.versions(model)
    with pytest.raises(ModelNotFoundError, match=f"no model '{model}'"):
        registry.get(model, 1)


def test_what_does_not_exist_is_named(registry: ModelRegistry, model: str, artifact: Callable[[str], Path]) -> None:
    """The error for an unknown version or alias names what exists."""
    version = registry.register(model, "baseline", artifact("a"), TAGS)
    registry.set_alias(version, "champion")
    with pytest.raises(ModelNotFoundError, match=r"no version 9; versions: 1 \(baseline\); aliases: champion → 1"):
        registry.get(model, 9)
    with pytest.raises(ModelNotFoundError, match=r"no alias 'challenger'; versions: 1 \(baseline\)"):
        registry.get(model, "challenger")
    with pytest.raises(ModelNotFoundError, match="no version 9"):
        registry.set_alias(version.model_copy(update={"number": 9}), "champion")


def test_an_alias_names_one_version(registry: ModelRegistry, model: str, artifact: Callable[[str], Path]) -> None:
    """Setting an alias again moves it; setting it to where it is changes nothing."""
    first = registry.register(model, "baseline", artifact("a"), TAGS)
    second = registry.register(model, "enhanced", artifact("b"), TAGS)
    registry.set_alias(first, "champion")
    registry.set_alias(first, "champion")
    assert first == registry.get(model, "champion")
    registry.set_alias(second, "champion")
    assert second == registry.get(model, "champion")
    assert first == registry.get(model, 1)


def test_tags_come_back(registry: ModelRegistry, model: str, artifact: Callable[[str], Path]) -> None:
    """The tags given at registration come back, and no others."""
    version = registry.register(model, "baseline", artifact("a"), TAGS)
    assert TAGS == registry.tags(version)


def test_fetch_brings_the_very_files(
    registry: ModelRegistry, model: str, artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    """Fetched files are byte for byte those registered, under the served name; fetching again changes nothing."""
    files = artifact("a")
    version = registry.register(model, "baseline", files, TAGS)
    fetched = registry.fetch(version, tmp_path / "models")
    assert tmp_path / "models" / "baseline-predictor-v1" == fetched
    assert {path.name: path.read_bytes() for path in files.iterdir()} == {
        path.name: path.read_bytes() for path in fetched.iterdir()
    }
    assert fetched == registry.fetch(version, tmp_path / "models")
    assert [fetched] == list((tmp_path / "models").iterdir())


def test_fetch_repairs_a_damaged_copy(
    registry: ModelRegistry, model: str, artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    """A copy that was changed after it was fetched is replaced by the registered files."""
    version = registry.register(model, "baseline", artifact("a"), TAGS)
    fetched = registry.fetch(version, tmp_path / "models")
    (fetched / "model.onnx").write_bytes(b"changed")
    assert version.digest == folder_digest(registry.fetch(version, tmp_path / "models"))


@pytest.mark.parametrize("damage", ["changed", "deleted", "added"])
def test_fetch_refuses_tampered_files(
    mlflow_uri: str, artifact: Callable[[str], Path], tmp_path: Path, mlflow_home: Path, damage: str
) -> None:
    """Files that are not those registered are refused and leave nothing behind."""
    registry, model, marker = MlflowRegistry(mlflow_uri), f"tampered-{damage}", f"network of {damage}"
    version = registry.register(model, "baseline", artifact(marker), TAGS)
    kept = [path for path in mlflow_home.rglob("artifacts/**/model.onnx") if path.read_bytes() == marker.encode()]
    for path in kept:
        if damage == "deleted":
            path.unlink()
        else:
            (path if damage == "changed" else path.with_name("extra")).write_bytes(b"not what was registered")
    with pytest.raises(ModelNotFoundError, match=f"wanted {version.digest}, found sha256:"):
        registry.fetch(version, tmp_path / "models")
    assert [] == list((tmp_path / "models").iterdir())


def test_fetching_what_was_never_registered_is_refused(
    registry: ModelRegistry, model: str, artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    """A version that does not exist is refused by name."""
    version = registry.register(model, "baseline", artifact("a"), TAGS)
    with pytest.raises(ModelNotFoundError, match="no version 7"):
        registry.fetch(version.model_copy(update={"number": 7}), tmp_path / "models")


def test_mlflow_shows_signature_example_card_and_run(mlflow_uri: str, artifact: Callable[[str], Path]) -> None:
    """MLflow's own client finds the alias, the tags, the card, the signature and the input example."""
    registry, client = MlflowRegistry(mlflow_uri), connect(mlflow_uri)
    run = client.create_run(client.create_experiment("signature")).info.run_id
    version = registry.register("signature", "baseline", artifact("a"), {**TAGS, "mlflow_run": run})
    registry.set_alias(version, "champion")
    found = client.get_model_version_by_alias("signature", "champion")
    assert ("1", run, "# Card of a\n") == (found.version, found.run_id, found.description)
    assert {
        **TAGS,
        "mlflow_run": run,
        "firstflight.variant": "baseline",
        "firstflight.digest": version.digest,
    } == found.tags
    files = {item.path for item in client.list_logged_model_artifacts(found.source.removeprefix("models:/"))}
    assert {"MLmodel", "input_example.json", "data"} <= files
    kept = client.get_model_version_download_uri("signature", "1").removeprefix("mlflow-artifacts:/")
    answer = requests.get(f"{mlflow_uri}/api/2.0/mlflow-artifacts/artifacts/{kept}/MLmodel", timeout=10)
    assert '"name": "features"' in answer.text


def test_mlflow_keeps_the_beginning_of_a_long_card(mlflow_uri: str, artifact: Callable[[str], Path]) -> None:
    """A card longer than MLflow's column is cut and says where the whole one is."""
    files = artifact("long")
    (files / "model_card.md").write_text("x" * 2 * DESCRIPTION_LIMIT)
    MlflowRegistry(mlflow_uri).register("long-card", "baseline", files, TAGS)
    text = connect(mlflow_uri).get_model_version("long-card", "1").description
    assert DESCRIPTION_LIMIT == len(text)
    assert text.endswith("the whole card is model_card.md of the version's files")


def test_versions_that_others_registered_are_left_alone(mlflow_uri: str, artifact: Callable[[str], Path]) -> None:
    """A version without our tags, made in MLflow's own way, is not offered and does no harm."""
    client = connect(mlflow_uri)
    client.create_registered_model("shared-name")
    run = client.create_run(client.create_experiment("shared-name")).info.run_id
    client.create_model_version("shared-name", source=f"runs:/{run}/elsewhere", run_id=run)
    registry = MlflowRegistry(mlflow_uri)
    assert () == registry.versions("shared-name")
    assert 2 == registry.register("shared-name", "baseline", artifact("a"), TAGS).number


def test_a_training_run_is_seen_in_mlflow(mlflow_uri: str, tmp_path: Path) -> None:
    """Loss curves by epoch, parameters, tags, figures, files and the end of a run are in MLflow."""
    (tmp_path / "baseline").mkdir()
    (tmp_path / "baseline" / "model_card.md").write_text("# Card")
    run = MlflowTracker(mlflow_uri).start("curves", "baseline", {"seed": "7"}, {"git_commit": "abc"})
    run.log_epoch(1, {"train_loss": 0.7, "validation_loss": 0.6})
    run.log_epoch(2, {"train_loss": 0.5, "validation_loss": 0.4})
    run.log_figures({"test_auc": 0.52})
    run.log_folder(tmp_path / "baseline")
    run.end(failed=False)
    client = connect(mlflow_uri)
    found = client.get_run(str(run.id))
    curve = client.get_metric_history(str(run.id), "train_loss")
    assert [(1, 0.7), (2, 0.5)] == [(metric.step, metric.value) for metric in curve]
    assert ("baseline", "FINISHED", "7", "abc", 0.52) == (
        found.info.run_name,
        found.info.status,
        found.data.params["seed"],
        found.data.tags["git_commit"],
        found.data.metrics["test_auc"],
    )
    assert ["baseline/model_card.md"] == [item.path for item in client.list_artifacts(str(run.id), "baseline")]


def test_epochs_of_a_short_outage_are_logged_afterwards(mlflow_uri: str, closed_uri: str) -> None:
    """An epoch that MLflow does not take costs nothing and arrives with the next one; a longer outage is told."""
    run = MlflowTracker(mlflow_uri).start("outage", "baseline", {}, {})
    run._rest = MlflowRest(closed_uri)
    run.log_epoch(1, {"train_loss": 0.7})
    with pytest.raises(RegistryUnavailableError):
        run.end(failed=False)
    run._rest = MlflowRest(mlflow_uri)
    run.log_epoch(2, {"train_loss": 0.5})
    curve = connect(mlflow_uri).get_metric_history(str(run.id), "train_loss")
    assert [1, 2] == [metric.step for metric in curve]


def test_nobody_listening_is_an_outage_at_once(closed_uri: str, artifact: Callable[[str], Path]) -> None:
    """Without a server every call fails within seconds, as an outage that names the address."""
    registry, files = MlflowRegistry(closed_uri), artifact("a")
    started = time.monotonic()
    for call in (
        lambda: registry.versions("m"),
        lambda: registry.get("m", "champion"),
        lambda: registry.register("m", "baseline", files, TAGS),
        lambda: MlflowTracker(closed_uri).start("m", "baseline", {}, {}),
    ):
        with pytest.raises(RegistryUnavailableError, match=closed_uri):
            call()
    assert time.monotonic() - started < 10


def test_a_server_that_hangs_is_an_outage_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers is given up, at a short time limit here."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(RegistryUnavailableError, match="did not answer"):
            MlflowRegistry(uri).versions("m")
        assert 10 > time.monotonic() - started


def test_an_mlflow_model_is_kept_as_it_is(registry: ModelRegistry, model: str, tmp_path: Path) -> None:
    """Its files come back with their digest, beside versions of the other kind; MLflow itself knows it by its URI."""
    folder = python_function(tmp_path / "given")
    (folder / "model_card.md").write_text("# Card\n", encoding="utf-8")
    version = registry.register(model, "custom", folder, {"gate": "none"})
    assert version == registry.register(model, "custom", folder, {"gate": "none"})
    assert {"gate": "none"} == dict(registry.tags(version))
    assert folder_digest(folder) == folder_digest(registry.fetch(version, tmp_path / "kept"))
    assert {} == registry.aliases(model)
    registry.set_alias(version, "champion")
    assert {"champion": version.number} == registry.aliases(model)
    assert {} == registry.aliases("nothing-of-that-name")
    if isinstance(registry, MlflowRegistry):
        uri = registry._rest.uri
        for number, address in enumerate((f"models:/{model}/1", f"models:/{model}@champion", str(folder))):
            (tmp_path / str(number)).mkdir()
            brought = fetch_model(uri, address, tmp_path / str(number))
            assert version.digest == folder_digest(brought)
        with pytest.raises(ModelNotFoundError, match="nor is it a folder here"):
            fetch_model(uri, f"models:/{model}/77", tmp_path / "none")
