"""What several test files share: the apps run in this process, and a small run to look at."""

import contextlib
import dataclasses
import io
import os
import signal
import types
from unittest import mock

# Most of the time of the tests goes into compiling; what is compiled runs once or twice. Read when
# TensorFlow is imported, here and in the processes that tests start.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags as absl_flags
from absl import logging
from tensorflow.core.protobuf import config_pb2
from tiny import TINY

from dgn_tf import train
from dgn_tf.cli.app import guarded, parse_command_line
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.data.sources import load
from dgn_tf.models.factory import make_model
from dgn_tf.serving.saved_model import export_saved_model
from dgn_tf.training.chains import read_chains
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.signals import SIGNALS

# Whatever a shell starts in the background ignores Ctrl-C, and under nohup the end of the terminal;
# so do the processes of its own.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _run_app(app, *arguments):
    """`python -m app arguments` inside this process: status, standard output, standard error.

    Afterwards flags, signal handlers and verbosity are what they were.
    """
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before, verbosity = set(absl_flags.FLAGS), logging.get_verbosity()
    app.define_flags()
    names = getattr(app, "POSITIONALS", ())
    # For good, and so for the tests after this one too, if it were not left out.
    determinism = mock.patch("tensorflow.config.experimental.enable_op_determinism")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), determinism:
            status = guarded(app.main)(parse_command_line(["program", *arguments], names)) or 0
    except SystemExit as end:
        status = end.code
    finally:
        for name in set(absl_flags.FLAGS) - before:
            delattr(absl_flags.FLAGS, name)
        absl_flags.FLAGS.unparse_flags()
        logging.set_verbosity(verbosity)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return types.SimpleNamespace(status=status, out=out.getvalue(), err=err.getvalue())


@pytest.fixture(scope="session", autouse=True)
def _no_settings(tmp_path_factory):
    """Names that whoever runs the tests has given to directions are none of their business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        yield


@pytest.fixture(scope="session")
def run_app():
    return _run_app


@dataclasses.dataclass(frozen=True)
class _SmallData(DataConfig):
    """Settings of data of any side: what no model has is quick to make."""

    def __post_init__(self):
        DataConfig(**{**dataclasses.asdict(self), "side": 32})


def _load_data(spec, side, channels, progress=None, **settings):
    """What `dgn_tf.data.sources.load` makes of settings, with images of any side."""
    return load(_SmallData(data=spec, side=side, channels=channels, **settings), progress)


@pytest.fixture(scope="session")
def load_data():
    return _load_data


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """A finished run of three epochs: its `folder`, its `command` and what it `said`."""
    root = tmp_path_factory.mktemp("tiny")
    images = np.random.default_rng(0).integers(0, 256, (10, 32, 32), dtype=np.uint8)
    np.savez(root / "data.npz", images=images)
    command = (*TINY, f"--data=npz:{root}/data.npz", "--epochs=3")
    said = _run_app(train, *command, f"--run_dir={root}/run")
    assert said.status == 0, said.err
    return types.SimpleNamespace(folder=root / "run", root=root, command=command, said=said)


def _tensors(folder):
    """Every tensor and every chain of the newest checkpoint of a run by name."""
    newest = Checkpoints(folder / "checkpoints").paths()[-1]
    reader = tf.train.load_checkpoint(str(newest / "state"))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    _, chains = read_chains(newest)
    return {name: reader.get_tensor(name) for name in names} | {
        f"chains/{name}": z for name, z in chains.items()
    }


@pytest.fixture(scope="session")
def tensors():
    return _tensors


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A small model and its export: `config`, `model`, `chains` and the `path` of version 1."""
    keras.utils.set_random_seed(0)
    config = Config(
        data=DataConfig(side=32, channels=3),
        model=ModelConfig(
            appearance_dim=3,
            geometry_dim=2,
            alpha=0.1,
            appearance_scheme=2,
            geometry_scheme=2,
            geometry_beta=1.5,
            smoothing=0.05,
            border="zeros",
        ),
        learning=TrainingConfig(step_size="0:0.5,0.5:0.1", sigma="0.8"),
    )
    model = make_model(config.model, 32, 3)
    rng = np.random.default_rng(0)
    # Fields of several pixels, and slopes at z = 0, which a new model has not.
    model.set_weights(
        [0.2 * rng.standard_normal(w.shape) if w.ndim == 1 else w for w in model.get_weights()]
    )
    chains = {n: rng.standard_normal((40, d)).astype("f") for n, d in model.latent_dims.items()}
    folder = tmp_path_factory.mktemp("served") / "heads"
    path = export_saved_model(
        config, model, folder, chains=chains, metrics={"reconstruction msre": 12.345}
    )
    return types.SimpleNamespace(config=config, model=model, chains=chains, path=path)


class _Server:
    """Asks signatures for named inputs, as a server does: nothing looks at shapes before."""

    def __init__(self, path):
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], str(path))
        self.signatures, self._calls = loaded.signature_def, {}

    def __call__(self, name, inputs):
        signature = self.signatures[name]
        if name not in self._calls:
            options = config_pb2.CallableOptions(
                feed=[info.name for info in signature.inputs.values()],
                fetch=[info.name for info in signature.outputs.values()],
            )
            # What Session.run does after it has looked at shapes.
            self._calls[name] = self._session._make_callable_from_options(options)
        fed = [
            np.asarray(inputs[key], tf.DType(info.dtype).as_numpy_dtype)
            for key, info in signature.inputs.items()
        ]
        return dict(zip(signature.outputs, self._calls[name](*fed), strict=True))


@pytest.fixture(scope="session")
def server():
    """`server(path)` serves the SavedModel at `path`, as `serve` does."""
    return _Server


@pytest.fixture(scope="session")
def serve(served):
    """`served`, loaded as TF Serving does: `serve(signature, inputs)` and its `signatures`."""
    return _Server(served.path)
