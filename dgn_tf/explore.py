"""A page in the browser to explore a trained model: sliders, photographs, recombinations.

Usage: python -m dgn_tf.explore --run_dir=runs/heads64
       python -m dgn_tf.explore --saved_model=saved_models/heads64
"""

import os
import sys
import webbrowser
from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_source_flags
from dgn_tf.explorer.server import ExplorerServer
from dgn_tf.runs.trained import load_trained, model_name
from dgn_tf.utils.errors import InputError


def define_flags() -> None:
    """Declares the flags of this app."""
    define = absl_flags
    define_source_flags()
    define.DEFINE_string(
        "host",
        "127.0.0.1",
        "Address to listen at; by default only this machine sees the page. There is no password.",
    )
    define.DEFINE_integer("port", 0, "Port to listen at; 0 for any that is free.", 0, 65535)
    define.DEFINE_bool("open_browser", True, "Open the page in a browser, if there is a display.")
    define.DEFINE_integer(
        "steps", 300, "Langevin steps for a photograph, rounded up to tens.", lower_bound=1
    )


def main(_argv: Sequence[str]) -> None:
    """Serves the page until Ctrl-C."""
    values = absl_flags.FLAGS
    server = make_server(values.run_dir, values.saved_model, values.host, values.port, values.steps)
    print(f"Explore the model at {server.address} (Ctrl-C ends)", flush=True)
    if values.open_browser and _has_display():
        webbrowser.open(server.address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def make_server(
    run_dir: str | None, saved_model: str | None, host: str, port: int, steps: int
) -> ExplorerServer:
    """The explorer of a run or an export, which listens but does not answer yet.

    Raises:
        InputError: the model cannot be explored, or the address cannot be listened at.
    """
    trained = load_trained(run_dir, saved_model)
    if trained.config.data.frames:
        raise InputError(
            f"{trained.flag} holds a model of clips, and the explorer shows images: see "
            "dgn_tf.evaluate --experiment=clips."
        )
    try:
        return ExplorerServer(
            model_name(run_dir, saved_model),
            trained.config,
            trained.model,
            trained.chains,
            trained.folders,
            host=host,
            port=port,
            steps=steps,
        )
    except OSError as error:
        raise InputError(
            f"--host={host} --port={port}: cannot listen there: {error.strerror}."
        ) from None


def _has_display() -> bool:
    return sys.platform != "linux" or any(os.getenv(v) for v in ("DISPLAY", "WAYLAND_DISPLAY"))


def main_cli() -> None:
    """The command dgn-explore."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
