"""The explorer of a generator, served by the process that has it."""

import html
import sys
import threading
import webbrowser
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgn_tf.config import InferenceConfig
from dgn_tf.config.fields import typed
from dgn_tf.explorer.address import Address
from dgn_tf.explorer.server import ExplorerServer
from dgn_tf.explorer.subject import Subject
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import in_notebook
from dgn_tf.visualize.directions import Directions

if TYPE_CHECKING:
    from dgn_tf.api.generator import Generator


class Explorer:
    """A page with the sliders of a model, which lives as long as this process or until `close`.

    Args:
        server: that listens already.

    Attributes:
        address: where a browser finds the page.
    """

    def __init__(self, server: ExplorerServer):
        self._server = server
        self.address = server.address
        self._thread = threading.Thread(target=server.serve_forever, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"Explorer({self.address})"

    def _repr_html_(self) -> str:
        address = html.escape(self.address)
        return f'<a href="{address}" target="_blank">{address}</a>'

    def wait(self) -> None:
        """Wait until Ctrl-C, then close the page."""
        try:
            while self._thread.is_alive():
                self._thread.join(1.0)
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """End the page."""
        self._server.shutdown()
        self._server.server_close()


def explore(
    model: "Generator", port: int | None, open_browser: bool, block: bool | None
) -> Explorer:
    """Open the page of a generator; arguments and errors as of `Generator.explore`."""
    known = model.known

    def keep(directions: Mapping[str, Directions]) -> None:
        if known.directions is not None:
            known.directions.groups = dict(directions)

    subject = Subject(
        known.name,
        model.config,
        model.network,
        known.directions.groups if known.directions else None,
        known.folders,
        model.encoder,
        known.statistics,
        keep,
    )
    port = typed("port", port, int | None)
    try:
        server = ExplorerServer(subject, Address(port=port), InferenceConfig())
    except (OSError, OverflowError) as error:
        raise InputError(f"`port={port}`: cannot listen there: {error}.") from None
    page = Explorer(server)
    if open_browser:
        webbrowser.open(page.address)
    waits = not (in_notebook() or hasattr(sys, "ps1")) if block is None else block
    if waits:
        print(f"Explore the model at {page.address} (Ctrl-C ends)", flush=True)
        page.wait()
    return page
