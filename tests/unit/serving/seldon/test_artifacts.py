"""What is uploaded, loaded by a real MLServer as Seldon's agent lays it out: two versions in one process."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import boto3
import httpx
import pytest

from firstflight.domain.versions import ModelVersion
from firstflight.serving.inference import body, headers, outputs
from firstflight.serving.probe import ones
from firstflight.serving.seldon.artifacts import SETTINGS, Storage, contents
from firstflight.settings import Settings
from tests.conftest import ROOT, free_ports
from tests.seldon_bench import BUCKET, object_storage
from tests.serving_bench import artifact, history, until

SAYS = {1: 0.2, 2: 0.8}
FOREIGN = 1


def laid_out(root: Path, version: ModelVersion, source: Path) -> None:
    """Write a model's folder as the agent does: it names the model anew, calls it version 1 and keeps the rest."""
    name = f"{version.served_name}_1"
    for path, content in contents(version.served_name, version, source):
        file = root / name / "1" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path == SETTINGS:
            settings = json.loads(content)
            settings["name"], settings["parameters"]["version"] = name, "1"
            if version.number == FOREIGN:
                settings["implementation"] = "foreign.Model"
                file.with_name("foreign.py").write_text("raise SystemExit('code from the bucket')\n")
            content = json.dumps(settings).encode()  # noqa: PLW2901 rewritten, as said
        file.write_bytes(content)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[int, ModelVersion]]]:
    """A model server with both versions: its address and they."""
    folder, ports, settings = tmp_path_factory.mktemp("mlserver"), free_ports(), Settings(project=ROOT)
    versions = {}
    for number, says in SAYS.items():
        versions[number] = artifact(folder / f"source{number}", number, says=says)
        laid_out(folder / "models", versions[number], folder / f"source{number}")
    where = {"http_port": ports.servers, "grpc_port": ports.servers + 1, "metrics_port": ports.servers + 2}
    (folder / "models" / "settings.json").write_text(
        json.dumps({**where, "host": "127.0.0.1", "parallel_workers": 0}), encoding="utf-8"
    )
    command = [settings.serving_python, "-m", "firstflight.serving.runtime.server", folder / "models", "--managed"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    url = f"http://127.0.0.1:{ports.servers}"

    def ready() -> bool:
        try:
            models = [f"{url}/v2/models/{one.served_name}_1/ready" for one in versions.values()]
            return all(httpx.get(model, trust_env=False).status_code == 200 for model in models)
        except httpx.TransportError:
            return False

    with ExitStack() as ends:
        log = ends.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        ends.callback(process.wait)
        ends.callback(process.terminate)
        until(ready, 60)
        yield url, versions


def test_versions_share_a_server_and_each_answers_for_itself(served: tuple[str, dict[int, ModelVersion]]) -> None:
    """Each with its own files' digest, whichever was loaded last."""
    url, versions = served
    for number, version in versions.items():
        model = f"{url}/v2/models/{version.served_name}_1"
        said = httpx.get(model, trust_env=False).json()
        assert version.digest == said["parameters"]["digest"]
        assert version.served_name == said["parameters"]["served_name"]
        for inputs in ({"history": history()}, ones(said)):
            answer = httpx.post(
                f"{model}/infer", content=body(inputs), headers=headers(version.model, "r"), trust_env=False
            )
            assert 200 == answer.status_code, answer.text
            assert pytest.approx(SAYS[number]) == outputs(answer.content)["probability_up"][0]


def test_no_code_is_in_the_bucket_and_none_is_taken_from_there(
    served: tuple[str, dict[int, ModelVersion]], tmp_path: Path
) -> None:
    """A stored folder holds none; one that brings and names a class of its own is read by the server's all the same."""
    version = artifact(tmp_path / "model", 1)
    assert [] == [
        path for path, _ in contents(version.served_name, version, tmp_path / "model") if path.endswith(".py")
    ]
    url, versions = served
    foreign = httpx.get(f"{url}/v2/models/{versions[FOREIGN].served_name}_1", trust_env=False).json()
    assert versions[FOREIGN].digest == foreign["parameters"]["digest"]


def test_what_lies_in_the_bucket_is_told_by_its_content(tmp_path: Path) -> None:
    """Something of the same size that is not what was stored is written anew; what is the same is left alone."""
    version = artifact(tmp_path / "model", 1)
    with object_storage(), closing(boto3.client("s3")) as store:
        storage = Storage(BUCKET, "s3", "model-storage")
        folder = storage.put(version.served_name, version, tmp_path / "model").uri.removeprefix(f"s3://{BUCKET}/")
        keys = {one["Key"]: one["Size"] for one in store.list_objects_v2(Bucket=BUCKET, Prefix=folder)["Contents"]}
        [model] = (key for key in keys if key.endswith(".onnx"))
        right = store.get_object(Bucket=BUCKET, Key=model)["Body"].read()
        store.put_object(Bucket=BUCKET, Key=model, Body=b"x" * keys[model])
        others = keys.keys() - {model}
        for key in others:
            store.put_object_tagging(Bucket=BUCKET, Key=key, Tagging={"TagSet": [{"Key": "same", "Value": "yes"}]})
        storage.put(version.served_name, version, tmp_path / "model")
        assert right == store.get_object(Bucket=BUCKET, Key=model)["Body"].read()
        for key in others:  # a new object has no tags
            assert store.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
