"""A page in the browser to explore a trained model: sliders, photographs, recombinations.

Usage: dgn explore
       dgn explore --run_dir=runs/heads64
       dgn explore --saved_model=saved_models/heads64

Without a model it shows the one that ships with the project.
"""

import os
import sys
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, define_source_flags, settings_from_flags
from dgn_tf.cli.paths import check_source, default_model, model_name
from dgn_tf.config import InferenceConfig
from dgn_tf.utils.errors import InputError

# What needs TensorFlow is imported where it is used: it takes seconds, which a mistake in the
# command line should not cost.
if TYPE_CHECKING:
    from dgn_tf.explorer.address import Address
    from dgn_tf.explorer.server import ExplorerServer
    from dgn_tf.runs.trained import Trained


def define_flags() -> None:
    """Declares the flags of this command."""
    define = absl_flags
    define_source_flags()
    define.DEFINE_string(
        "host",
        "127.0.0.1",
        "Address to listen at; by default only this machine sees the page. There is no password.",
    )
    define.DEFINE_list(
        "host_names",
        [],
        "Names by which browsers reach the page where they are not --host, such as "
        "explore.example.org of a proxy in front of it. By other names it does not answer.",
    )
    define.DEFINE_string(
        "url_prefix",
        "",
        "Path under which a proxy has the page, such as /heads, if it passes it on. The page works "
        "under any path where the proxy takes it away.",
    )
    define.DEFINE_integer(
        "port",
        None,
        "Port to listen at; 0 for any that is free. By default 7860, or the next that is free.",
        0,
        65535,
    )
    define.DEFINE_bool("open_browser", True, "Open the page in a browser, if there is a display.")
    define_settings_flags(InferenceConfig, ("steps", "amortised"))


def main(_argv: Sequence[str]) -> None:
    """Serves the page until Ctrl-C."""
    values = absl_flags.FLAGS
    settings = settings_from_flags(InferenceConfig, values)
    names, prefix = tuple(values.host_names), values.url_prefix.removesuffix("/")
    from dgn_tf.explorer.address import Address

    place = Address(values.host, values.port, names, prefix)
    run_dir, saved_model = values.run_dir, values.saved_model
    if not run_dir and not saved_model:
        saved_model = default_model()
    check_source(run_dir, saved_model)
    place.require_free()
    from dgn_tf.runs.trained import load_trained

    trained = load_trained(run_dir, saved_model)
    name = model_name(run_dir, saved_model)
    server = make_server(name, trained, place, settings)
    print(f"Explore the model at {server.address} (Ctrl-C ends)", flush=True)
    if values.open_browser and _has_display():
        webbrowser.open(server.address)
    try:
        server.serve_forever()
    finally:
        server.server_close()


def make_server(
    name: str, trained: "Trained", place: "Address", settings: InferenceConfig
) -> "ExplorerServer":
    """The explorer of a model, which listens but does not answer yet.

    Args:
        name: of the model, for people.
        trained: the model.
        place: where to listen, and by which names it may be reached.
        settings: of the inference of photographs.

    Raises:
        InputError: the model cannot be explored, or the address cannot be listened at.
    """
    from dgn_tf.explorer.server import ExplorerServer
    from dgn_tf.explorer.subject import Subject

    if trained.config.data.frames:
        raise InputError(
            f"{trained.flag} holds a model of clips, and the explorer shows images: see "
            "dgn_tf.evaluate --experiment=clips."
        )
    subject = Subject(
        name,
        trained.config,
        trained.model,
        trained.directions,
        trained.folders,
        trained.encoder(settings.amortised),
        trained.statistics,
        trained.keep_names,
    )
    try:
        return ExplorerServer(subject, place, settings)
    except OSError as error:
        raise InputError(place.refusal(error)) from None


def _has_display() -> bool:
    return sys.platform != "linux" or any(os.getenv(v) for v in ("DISPLAY", "WAYLAND_DISPLAY"))


def main_cli() -> None:
    """The command dgn-explore."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
