"""The explorer's server: pages, images and inference over HTTP, for this machine alone."""

import base64
import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TypeAlias
from urllib.parse import parse_qs

import keras

from dgn_tf.config import Config, InferenceConfig
from dgn_tf.data.sources.files import load_bytes
from dgn_tf.explorer import requests
from dgn_tf.explorer.address import Address, split_address
from dgn_tf.explorer.describe import describe
from dgn_tf.explorer.jobs import Busy, Jobs
from dgn_tf.explorer.painter import Painter
from dgn_tf.serving.portable import portable
from dgn_tf.types import LatentModel
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.directions import Directions
from dgn_tf.visualize.images import png_bytes

MOST_BYTES = 32_000_000
# What is sent: an object for JSON, or a content type and the content.
Answer: TypeAlias = dict | tuple[str, bytes]
Query: TypeAlias = dict[str, list[str]]
_FILES = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/backend.js": ("explorer.js", "text/javascript"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Refused(InputError):
    """A request that is answered with a status of its own, and perhaps sent elsewhere."""

    def __init__(self, status: HTTPStatus, message: str, location: str | None = None):
        super().__init__(message)
        self.status, self.location = status, location


def read_static(name: str) -> bytes:
    """A file of the page."""
    return resources.files("dgn_tf.explorer").joinpath("static", name).read_bytes()


class ExplorerServer(ThreadingHTTPServer):
    """Serves the explorer of one model; a thread for each connection.

    Args:
        name: of the model, for people.
        config: the `Config` that made it.
        model: a model of images.
        directions: along which the sliders move, for each group that is not one-hot; None takes
            `prior_directions`.
        classes: names of the classes of a labeled model, or None.
        place: where to listen, and by which names it may be reached.
        settings: of the inference of photographs; what they leave open is as the run ended.
        encoder: whose guess the inference begins with, or None.

    Raises:
        OSError: it cannot listen there.
    """

    daemon_threads = True

    def __init__(
        self,
        name: str,
        config: Config,
        model: LatentModel,
        directions: Mapping[str, Directions] | None,
        classes: Sequence[str] | None = None,
        *,
        place: Address,
        settings: InferenceConfig,
        encoder: keras.Model | None = None,
    ):
        # First of all: what follows takes seconds.
        super().__init__((place.host, place.port), _Handler)
        # Compiling for a single image takes longer than all that it saves.
        model = portable(config, model)
        shape = config.data.side, config.data.channels
        self.place, self.shape, self.dims = place, shape, dict(model.latent_dims)
        self.painter = Painter(model, directions)
        resolved = settings.resolved(config.learning, encoder is not None)
        self.jobs = Jobs(model, resolved, encoder)
        self.description = describe(name, model, shape, self.painter.directions, classes)
        self.counts = {
            group["name"]: len(group["directions"])
            for group in self.description["groups"]
            if group["directions"]
        }

    @property
    def address(self) -> str:
        """Where a browser finds the page."""
        return f"http://{self.place.host}:{self.server_address[1]}{self.place.url_prefix}/"

    def handle_error(self, request, client_address):
        """A browser that has gone away is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection. Every failure is {"error": message}, and the server lives."""

    server: ExplorerServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "dgn_tf", ""
    # Seconds after which a silent connection is closed.
    timeout = 60
    # Headers and body as one: in two packets the second waits 40 ms for the first to be confirmed.
    wbufsize, disable_nagle_algorithm = -1, True

    def do_GET(self) -> None:
        """Files of the page, the description of the model, and how far a job is."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Images, boards, animations and inferences."""
        self._answer(self._post)

    def _get(self, path: str, _query: Query) -> Answer:
        if path in _FILES:
            name, kind = _FILES[path]
            return f"{kind}; charset=utf-8", read_static(name)
        if path == self.server.place.url_prefix:
            # The page's own addresses are relative, to a folder.
            raise Refused(HTTPStatus.PERMANENT_REDIRECT, f"see {path}/.", f"{path}/")
        if path == "/model.js":
            text = f"const MODEL = {json.dumps(self.server.description)};\n"
            return "text/javascript; charset=utf-8", text.encode()
        if path.startswith("/api/jobs/"):
            number = path.removeprefix("/api/jobs/")
            if not (number.isascii() and number.isdecimal() and len(number) < 9):
                raise InputError(f"there is no job {number}.")
            return self.server.jobs.state(int(number))
        raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path} here.")

    def _post(self, path: str, query: Query) -> Answer:
        body = self._body()
        if path == "/api/infer":
            return self._infer(body, query)
        server, asked = self.server, requests.parse_json(body)
        if path == "/api/board":
            if not server.description["deforms"]:
                raise InputError("the model has no geometry to recombine.")
            rows = server.painter.board(requests.parse_board(asked.get("latents"), server.dims))
            return {"cells": [[_text(png) for png in row] for row in rows]}
        if path not in ("/api/paint", "/api/animate"):
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path} here.")
        latents = requests.parse_latents(asked.get("latents"), server.dims)
        if path == "/api/animate":
            where = asked.get("group"), asked.get("direction")
            along = requests.parse_direction(*where, server.counts)
            return "image/gif", server.painter.animate(latents, *along)
        return {name: _text(png) for name, png in server.painter.paint(latents).items()}

    def _infer(self, body: bytes, query: Query) -> Answer:
        """A job for an image file; `label` numbers the class that a labeled model is given."""
        name = query.get("name", ["the file"])[0][:200]
        image = load_bytes(body, name, *self.server.shape)
        given = {
            group: requests.parse_label(query.get("label", [""])[0], self.server.dims[group])
            for group in self.server.description["given"]
        }
        number = self.server.jobs.start(image, given)
        return {"job": number, "photograph": _text(png_bytes(image))}

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing.")
        # As text first: a number of thousands of digits takes long to read.
        if len(length) > 9 or int(length) > MOST_BYTES:
            most = f"{MOST_BYTES / 1e6:.0f} MB"
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"that is too large: at most {most}."
            )
        body = self.rfile.read(int(length))
        self.unread = False
        return body

    def _check_sender(self) -> None:
        place, host = self.server.place, self.headers.get("Host", "")
        if not place.knows(host, str(self.server.server_address[0])):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                f"this page is at {self.server.address}, not at {host}: dgn_tf.explore "
                "--host_names gives it other names.",
            )
        origin = self.headers.get("Origin")
        if origin is not None and not place.sends(origin, host):
            raise Refused(HTTPStatus.FORBIDDEN, "requests from other pages are refused.")

    def _answer(self, find: Callable[[str, Query], Answer]) -> None:
        self.unread = self.command == "POST"
        location = None
        try:
            self._check_sender()
            url = split_address(self.path)
            path = self.server.place.inner_path(url.path)
            found, status = find(path, parse_qs(url.query)), HTTPStatus.OK
        except Refused as error:
            found, status, location = {"error": str(error)}, error.status, error.location
        except Busy as error:
            found, status = {"error": str(error)}, HTTPStatus.CONFLICT
        except InputError as error:
            found, status = {"error": str(error)}, HTTPStatus.BAD_REQUEST
        except (ConnectionError, TimeoutError):
            # Nobody hears an answer.
            raise
        # A bug must not take the other requests' server away; it is told on both sides.
        except Exception as error:
            traceback.print_exc()
            found = {"error": f"the program failed: {type(error).__name__}."}
            status = HTTPStatus.INTERNAL_SERVER_ERROR
        self._send(status, found, location)

    def _send(self, status: HTTPStatus, found: Answer, location: str | None = None) -> None:
        if isinstance(found, dict):
            found = "application/json", json.dumps(found).encode()
        kind, content = found
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.unread:
            # What has not been read would be taken for the next request.
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code, message=None, explain=None):
        """What the library refuses, such as unknown methods, in the same form."""
        self.unread = True
        self._send(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def log_message(self, format, *args):
        """Says nothing: the terminal is for errors."""


def _text(png: bytes) -> str:
    return base64.b64encode(png).decode()
