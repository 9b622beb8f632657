"""Write the folder that is registered and served.

    model.onnx       the network: `features` float32 [B, T, F] → `probability_up` float32 [B]
    transform.json   the fitted transform from rows of history to `features`
    model.json       what the model is: names and shapes of its tensors, an example, its origin and figures
    model_card.md    the same for people, with the gate's verdict (`model_card`)
    fault.json       only in drills: what to break on purpose (`domain.faults`)

Everything in it follows from plan, data and code: no time, no machine, so that equal training gives
an equal digest.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch.jit._trace import TracerWarning  # its public name is not exported for type checkers

from firstflight.domain.errors import TrainingFailedError
from firstflight.workloads.market.data.columns import COLUMNS
from firstflight.workloads.market.features.dataset import Dataset
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.fit import Fitted
from firstflight.workloads.market.training.networks import ProbabilityNetwork
from firstflight.workloads.market.training.trained import Origin

INPUT = "features"
OUTPUT = "probability_up"
TOLERANCE = 1e-5
PROBE = 64
"""Windows of the validation part on which both networks must agree."""


def export(
    folder: Path, origin: Origin, fitted: Fitted, dataset: Dataset, *, validation: Evaluation, test: Evaluation
) -> Path:
    """Write the served files to `folder`, made if missing, and return it.

    Raises:
        TrainingFailedError: The exported network differs from the trained one by 1e-5 or more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    served = ProbabilityNetwork(fitted.network).eval()
    probe = dataset.validation.x[:PROBE]
    _write_onnx(served, probe, folder / "model.onnx")
    _verify(served, probe, folder / "model.onnx", origin.variant)
    transform = dataset.transform
    (folder / "transform.json").write_text(transform.to_json(), encoding="utf-8")
    description = {
        **origin.model_dump(),
        "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, *probe.shape[1:]]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1]}],
        "example": probe[0].tolist(),
        "rows": transform.rows,
        "columns": list(COLUMNS),
        "features": list(transform.features),
        "metrics": {"validation": validation.model_dump(), "test": test.model_dump()},
    }
    (folder / "model.json").write_text(json.dumps(description, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return folder


def _write_onnx(network: ProbabilityNetwork, probe: npt.NDArray[np.float32], path: Path) -> None:
    with warnings.catch_warnings():
        # The newer exporter takes 5-9 s a model and gives an equally fast graph; this one takes 0.1 s.
        warnings.filterwarnings("ignore", message=".*legacy TorchScript-based ONNX export", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="The feature will be removed", category=DeprecationWarning)
        # Two fears about tracing: PyTorch's own checks of the LSTM's shapes become constants, which they are
        # for any batch; and other batch sizes than the probe's may fail, which _verify tries.
        warnings.filterwarnings("ignore", category=TracerWarning, module="torch.nn.modules.rnn")
        warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size", category=UserWarning)
        torch.onnx.export(
            network,
            (torch.from_numpy(probe),),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            dynamo=False,
        )


def _verify(network: ProbabilityNetwork, probe: npt.NDArray[np.float32], path: Path, variant: str) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for x in (probe, probe[:1]):
        with torch.no_grad():
            eager = network(torch.from_numpy(x)).numpy()
        (answered,) = session.run([OUTPUT], {INPUT: x})
        if answered.shape != eager.shape:
            raise TrainingFailedError(
                f"{variant}: exported network answers {answered.shape}, trained one {eager.shape}"
            )
        if not (gap := float(np.abs(answered - eager).max())) < TOLERANCE:  # also true when it is NaN
            raise TrainingFailedError(f"{variant}: exported network is off by up to {gap:.2e}, must be < {TOLERANCE}")
