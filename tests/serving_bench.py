"""What the tests of serving share: tiny artifacts, histories, and a gateway under a supervisor of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from firstflight.domain.digest import folder_digest
from firstflight.domain.faults import FAULT_FILE, Fault
from firstflight.domain.versions import ModelVersion
from firstflight.serving.local.envoy.bootstrap import access_log
from firstflight.serving.local.gateway import Gateway, program
from firstflight.settings import Settings
from firstflight.supervision.supervisor import Supervisor
from firstflight.workloads.market.features.indicators import ROWS, STEPS, feature_names
from firstflight.workloads.market.features.transform import Transform
from tests.conftest import free_ports

MODEL = "direction"
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
GROUPS = ("price", "volume")
ROOT = Path(__file__).parents[1]
# Ends when its standard input does: closed by `serving_stack`, or by the death of the test process, however it died.
WATCHER = """
import shutil, sys
from pathlib import Path
from firstflight.supervision.supervisor import Supervisor
sys.stdin.read()
Supervisor(Path(sys.argv[2])).stop()
for link in filter(Path.is_symlink, Path(sys.argv[1]).iterdir()):
    shutil.rmtree(link.readlink())
shutil.rmtree(sys.argv[1])
"""


def history(seed: int = 0, batch: int = 1) -> NDArray[np.float64]:
    """Return histories [B, ROWS, 6] of a random walk that keep every rule of the market's contract."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(rng.normal(0, 0.01, (batch, ROWS)).cumsum(axis=1))
    opened = close * np.exp(rng.normal(0, 0.003, close.shape))
    spread = np.exp(np.abs(rng.normal(0, 0.003, close.shape)))
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    volume = rng.uniform(1e6, 2e6, close.shape)
    return np.stack([opened, high, low, close, volume, np.full(close.shape, 18.0)], axis=-1)


def artifact(
    folder: Path,
    number: int,
    *,
    variant: str = "baseline",
    model: str = MODEL,
    says: float = 0.5,
    fault: Fault | None = None,
) -> ModelVersion:
    """Write a model that always answers `says` to the new `folder` and return its version."""
    folder.mkdir(parents=True)
    features = feature_names(GROUPS)
    raw = np.random.default_rng(1).normal(size=(50, len(features)))
    (folder / "transform.json").write_text(Transform.fit(raw, GROUPS, "vix").to_json(), encoding="utf-8")
    (folder / "model.json").write_text(json.dumps({"variant": variant}), encoding="utf-8")
    onnx.save(_constant(len(features), says), folder / "model.onnx")
    if fault:
        (folder / FAULT_FILE).write_text(fault.model_dump_json(exclude_none=True), encoding="utf-8")
    return ModelVersion(model=model, variant=variant, number=number, digest=folder_digest(folder))


def _constant(features: int, says: float) -> onnx.ModelProto:
    """The mean of the features times zero, plus `says`: float32 [B, STEPS, F] → float32 [B]."""
    constants = {"axes": np.array([1, 2]), "zero": np.float32(0), "says": np.float32(says)}
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["features", "axes"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "says"], ["probability_up"]),
        ],
        "constant",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", STEPS, features])],
        [helper.make_tensor_value_info("probability_up", TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def infer_message(asked: NDArray[np.float64], model: str = MODEL) -> bytes:
    """Return gRPC's ModelInferRequest about histories, written by hand: the stubs are the serving environment's."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(content)) + content

    def varint(number: int) -> bytes:
        more, last = number >> 7, number & 127
        return bytes([last | 128]) + varint(more) if more else bytes([last])

    shape = b"".join(map(varint, asked.shape))
    tensor = field(1, b"history") + field(2, b"FP64") + field(3, shape)
    return field(1, model.encode()) + field(5, tensor) + field(7, asked.tobytes())


class Called(NamedTuple):
    """What a client saw of one call: how it ended, and its metadata."""

    status: grpc.StatusCode
    said: Mapping[str, str]
    details: str = ""


def call(channel: grpc.Channel, message: bytes, sent: Mapping[str, str], method: str = MODEL_INFER) -> Called:
    """Call the gateway by gRPC."""
    called = channel.unary_unary(method).future(message, timeout=60, metadata=tuple(sent.items()))
    called.exception()  # waits for its end
    said = {key: value for part in (called.initial_metadata(), called.trailing_metadata()) for key, value in part or ()}
    return Called(called.code(), said, called.details() or "")


@contextmanager
def serving_stack() -> Iterator[Settings]:
    """A supervisor with the gateway, ready for model servers; ended with the block, or with this process."""
    home = Path(tempfile.mkdtemp(prefix="ff-"))
    settings = Settings(home=home, ports=free_ports())
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHER, str(home), str(settings.supervisor_folder)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        start_new_session=True,
    )
    with watcher:
        Supervisor(settings.supervisor_folder).start([program(settings)])
        until(lambda: gateway_is_ready(settings))
        yield settings
    assert watcher.returncode == 0


def gateway_is_ready(settings: Settings) -> bool:
    """Whether Envoy has read its files, and answers."""
    return Gateway(settings).is_well()


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Poll until something is true; fail past the deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true after {seconds} s"
        time.sleep(0.02)


def access_lines(settings: Settings) -> list[dict[str, Any]]:
    """Return what the gateway has written to its access log so far."""
    log = access_log(settings.home / "gateway")
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
