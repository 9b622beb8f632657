"""What a model server writes down where no gateway does."""

import json
import logging
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from firstflight.domain.faults import Fault
from firstflight.observation.access_log import parse
from firstflight.observation.log_file import Position, read
from firstflight.serving.inference import body
from firstflight.serving.local.model_server import model_settings, server_settings
from firstflight.serving.local.servers import ServerPorts
from firstflight.serving.runtime.answers import Answers, answers_at, entry_of
from firstflight.settings import Settings
from tests.conftest import ROOT, free_ports
from tests.serving_bench import MODEL, artifact, history, until

KNOWN = {"ts": 1.5, "listener": "main", "assigned": "m-v1", "served": "m-v1", "pred": "0.5", "code": 200, "us": 900}


def entry(number: int) -> dict[str, Any]:
    """One line's content."""
    found = entry_of({"x-request-id": f"r{number}", "seldon-model": "m"}, None, KNOWN)
    assert found is not None
    return found


def test_a_line_is_read_as_the_prediction_it_is(tmp_path: Path) -> None:
    """The collector's parser reads what the runtime wrote."""
    path = tmp_path / "deep" / "answers.jsonl"
    headers = {"x-request-id": "r1", "x-unit-id": "AAPL@2024-01-02~2", "seldon-model": "m.experiment"}
    found = entry_of(headers, "other", KNOWN)
    assert found is not None
    Answers(path).write(found)

    parsed = parse(read(path, Position()).lines)

    assert 0 == parsed.skipped
    [prediction] = parsed.predictions
    assert ("r1", "m", "AAPL@2024-01-02~2", "m-v1", "m-v1", 0.5, 200, 900) == (
        *(prediction.rid, prediction.route, prediction.unit, prediction.assigned),
        *(prediction.served, prediction.prediction, prediction.code, prediction.us),
    )


def test_every_request_of_a_route_is_a_line_whatever_the_client_calls_it() -> None:
    """Each has a name of our own; the body's id is the client's where there is no header, and long ones are cut."""
    lines = [
        entry_of({"seldon-model": "m", "x-request-id": rid, "x-unit-id": rid}, None, KNOWN) for rid in ("", "x" * 999)
    ]
    nameless, long = parse([json.dumps(line).encode() for line in lines]).predictions
    assert nameless.rid == nameless.counted_as != long.counted_as
    assert ("x" * 300, "x" * 300) == (long.rid, long.unit)
    assert entry_of({"x-request-id": "r1"}, None, KNOWN) is None
    found = entry_of({"seldon-model": "m"}, "b7", KNOWN)
    assert found is not None
    assert ("b7", None) == (found["rid"], found["unit"])


def test_a_model_that_the_client_chose_is_told_apart() -> None:
    """By its header, whatever name the mesh then asks for it by: it is nobody's evidence."""
    for route in ("m", "m.experiment", "m-v1"):
        found = entry_of({"seldon-model": route, "x-seldon-route": ":m-v1_3:"}, "b7", KNOWN)
        [prediction] = parse([json.dumps(found).encode()]).predictions
        assert (True, None) == (prediction.chosen, prediction.arm)


def test_a_long_file_is_put_aside_and_read_to_its_end(tmp_path: Path) -> None:
    """Files rotate by length, the last one is kept, and a reader that follows misses nothing."""
    path = tmp_path / "answers.jsonl"
    answers = Answers(path, most=2000)
    position, seen = Position(), []
    for number in range(100):
        answers.write(entry(number))
        if number % 7 == 0:
            chunk = read(path, position)
            position = chunk.position
            seen += [json.loads(line)["rid"] for line in chunk.lines]
    while (chunk := read(path, position)).lines:
        position = chunk.position
        seen += [json.loads(line)["rid"] for line in chunk.lines]

    assert [f"r{number}" for number in range(100)] == seen
    assert {"answers.jsonl", "answers.jsonl.1"} >= {file.name for file in tmp_path.iterdir()}
    assert 4500 > sum(file.stat().st_size for file in tmp_path.iterdir())


def test_a_file_that_somebody_removed_is_begun_anew(tmp_path: Path) -> None:
    """What is answered after that is recorded, where its reader looks."""
    path = tmp_path / "answers.jsonl"
    answers = Answers(path)
    answers.write(entry(1))
    path.unlink()

    answers.write(entry(2))

    assert ["r2"] == [json.loads(line)["rid"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_disk_that_takes_nothing_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The request goes on, one warning says that nothing is recorded, and writing begins again by itself."""
    path = tmp_path / "answers.jsonl"
    path.mkdir()
    answers = Answers(path)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            answers.write(entry(number))
    assert 1 == len([record for record in caplog.records if "takes no answers" in record.message])

    path.rmdir()
    answers.write(entry(9))

    assert ["r9"] == [json.loads(line)["rid"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_models_of_one_server_share_one_writer(tmp_path: Path) -> None:
    """Otherwise one would rotate the file under the other."""
    assert answers_at(tmp_path / "a") is answers_at(tmp_path / "a")


def test_a_real_model_server_writes_what_it_answered(tmp_path: Path) -> None:
    """Asked as the mesh asks: each answer is a line with its prediction; a failure is none; a shadow says so."""
    ports = ServerPorts(*_three(free_ports().servers))
    file = tmp_path / "answers.jsonl"
    served = {"good": artifact(tmp_path / "good" / "model", 1, says=0.75)}
    served["bad"] = artifact(tmp_path / "bad" / "model", 2, fault=Fault(kind="errors"))
    served["shadow"] = artifact(tmp_path / "shadow" / "model", 3, says=0.25)
    repository = tmp_path / "repository"
    for name, version in served.items():
        (repository / name).mkdir(parents=True)
        settings: dict[str, Any] = model_settings(name, version, tmp_path / name / "model")
        settings["name"] = f"{name}_1"
        if name == "shadow":
            settings["parameters"]["extra"]["listener"] = "mirror"
        (repository / name / "model-settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (repository / "settings.json").write_text(json.dumps(server_settings("test", ports)), encoding="utf-8")
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT / "src"),
        "OMP_NUM_THREADS": "1",
        "FIRSTFLIGHT_ANSWERS_FILE": str(file),
    }
    command = [
        Settings(project=ROOT).serving_python,
        "-c",
        "from mlserver.cli import main; main()",
        "start",
        repository,
    ]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{ports.rest}", trust_env=False, timeout=10) as client,
    ):
        try:
            until(lambda: all(_is_ready(client, f"{name}_1") for name in served), seconds=60)
            begin = time.time()
            answers = {
                name: client.post(
                    f"/v2/models/{name}_1/infer",
                    content=body({"history": history()}, "r-1"),
                    headers={"x-request-id": "r-1", "seldon-model": MODEL, "x-unit-id": "u-1"},
                ).status_code
                for name in served
            }
        finally:
            server.terminate()
    assert {"good": 200, "bad": 500, "shadow": 200} == answers
    good, shadow = sorted(parse(read(file, Position()).lines).predictions, key=lambda one: one.listener)
    assert ("r-1", "main", MODEL, "u-1", "good", 0.75) == (
        *(good.rid, good.listener, good.route),
        *(good.unit, good.served, good.prediction),
    )
    assert ("r-1", "mirror", "shadow", 0.25) == (shadow.rid, shadow.listener, shadow.arm, shadow.prediction)
    assert begin <= good.at.timestamp() <= time.time()
    assert good.us is not None
    assert 0 < good.us < 10_000_000


def _three(first: int) -> tuple[int, int, int]:
    return first, first + 1, first + 2


def _is_ready(client: httpx.Client, model: str) -> bool:
    try:
        return client.get(f"/v2/models/{model}/ready").is_success
    except httpx.TransportError:
        return False
