"""The explorer's server: pages, images and inference over HTTP, for this machine alone."""

import base64
import contextlib
import errno
import json
import sys
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TypeAlias
from urllib.parse import parse_qs

from dgn_tf.config import InferenceConfig
from dgn_tf.config.data import parse_faces
from dgn_tf.explorer import requests
from dgn_tf.explorer.address import Address, split_address
from dgn_tf.explorer.describe import describe, direction_titles, prior_directions
from dgn_tf.explorer.faces import Photographs
from dgn_tf.explorer.jobs import Busy, Jobs
from dgn_tf.explorer.painter import Painter
from dgn_tf.explorer.subject import Subject
from dgn_tf.inference.statistics import SOURCES
from dgn_tf.serving.portable import portable
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.directions import renamed
from dgn_tf.visualize.images import png_bytes
from dgn_tf.visualize.morphing import sample_latents

MOST_BYTES = 32_000_000
# Of a body that is refused: bytes that are read at a time, and seconds that they may take.
_DISCARDED, _PATIENCE = 1 << 20, 1.0
# The port where no other is asked for, and how many more are tried where it is taken.
USUAL_PORT, _PORTS_TRIED = 7860, 100
# What is sent: an object for JSON, or a content type and the content.
Answer: TypeAlias = dict | tuple[str, bytes]
Query: TypeAlias = dict[str, list[str]]
# What the page needs wherever its images are painted.
SCRIPTS = ("page.js", "sliders.js", "items.js", "motion.js", "history.js")
_FILES = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    **{f"/{name}": (name, "text/javascript") for name in SCRIPTS},
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
        subject: the model, and what is known of it.
        place: where to listen, and by which names it may be reached.
        settings: of the inference of photographs; what they leave open is as the run ended.

    Raises:
        OSError: it cannot listen there.
    """

    daemon_threads = True

    def __init__(self, subject: Subject, place: Address, settings: InferenceConfig):
        # First of all: what follows takes seconds.
        self._listen(place)
        config = subject.config
        # Compiling for a single image takes longer than all that it saves.
        model = portable(config, subject.model)
        shape = config.data.side, config.data.channels
        self.place, self.dims = place, dict(model.latent_dims)
        self.model, self.statistics = model, subject.statistics
        self.painter = Painter(model)
        self.photographs = Photographs(shape, parse_faces(config.data.faces))
        resolved = settings.resolved(config.learning, subject.encoder is not None)
        self.jobs = Jobs(model, resolved, subject.encoder, subject.statistics)
        self._directions = dict(subject.directions or prior_directions(model))
        self._keep, self._naming = subject.keep, threading.Lock()
        self.description = {
            **describe(subject.name, model, shape, self._directions, subject.classes),
            "samples": list(SOURCES[0 if subject.statistics else 1 :]),
            "faces": self.photographs.finds_faces,
        }
        self.counts = {
            group["name"]: len(group["directions"])
            for group in self.description["groups"]
            if group["directions"]
        }

    def _listen(self, place: Address) -> None:
        """At the port that is wanted, or at the usual one or the next that is free."""
        usual = [*range(USUAL_PORT, USUAL_PORT + _PORTS_TRIED), 0]
        ports = usual if place.port is None else [place.port]
        for port in ports:
            try:
                return super().__init__((place.host, port), _Handler)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or port == ports[-1]:
                    raise

    def rename(self, group: str, direction: int, name: str) -> dict:
        """Gives a direction, numbered from 0, another name.

        Returns:
            "title", what its slider is called now.

        Raises:
            InputError: it is no name, or cannot be kept.
        """
        with self._naming:
            directions = renamed(self._directions, group, direction, name)
            if self._keep:
                self._keep(directions)
            self._directions = directions
            titles = direction_titles(group, directions[group].names)
            (described,) = (g for g in self.description["groups"] if g["name"] == group)
            for slider, title in zip(described["directions"], titles, strict=True):
                slider["title"] = title
        return {"title": titles[direction]}

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

    def do_HEAD(self) -> None:
        """The headers of the same, which monitors and proxies ask for."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Images, animations, samples, names and inferences."""
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
        if path == "/api/paint":
            latents = requests.parse_latents(asked.get("latents"), server.dims)
            return {name: _text(png) for name, png in server.painter.paint(latents).items()}
        if path == "/api/images":
            latents = requests.parse_many(asked.get("latents"), server.dims)
            return "image/png", server.painter.images(latents)
        if path == "/api/animate":
            latents = requests.parse_many(asked.get("latents"), server.dims)
            return "image/gif", server.painter.animate(latents)
        if path == "/api/sample":
            seeds, source = requests.parse_samples(asked)
            drawn = sample_latents(server.model, server.statistics, seeds, source)
            rows = {name: z.tolist() for name, z in drawn.items()}
            return {"latents": [{n: z[k] for n, z in rows.items()} for k in range(len(seeds))]}
        if path == "/api/name":
            return server.rename(*requests.parse_name(asked, server.counts))
        raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path} here.")

    def _infer(self, body: bytes, query: Query) -> Answer:
        """A job for an image file.

        `face` is 1 to look for a face; `label` numbers the class that a labeled model is given.
        """
        name = query.get("name", ["the file"])[0][:200]
        find_face = query.get("face", ["0"])[0] == "1"
        image, note = self.server.photographs.read(body, name, find_face)
        given = {
            group: requests.parse_label(query.get("label", [""])[0], self.server.dims[group])
            for group in self.server.description["given"]
        }
        number = self.server.jobs.start(image, given)
        return {"job": number, "photograph": _text(png_bytes(image)), "note": note}

    def _body(self) -> bytes:
        # Two of them are understood in one way here, and by a proxy perhaps in another.
        length = ",".join(self.headers.get_all("Content-Length", []))
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing.")
        # As text first: a number of thousands of digits takes long to read.
        if len(length) > 9 or int(length) > MOST_BYTES:
            self._discard()
            most = f"{MOST_BYTES / 1e6:.0f} MB"
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"that is too large: at most {most}."
            )
        body = self.rfile.read(int(length))
        self.unread = False
        return body

    def _discard(self) -> None:
        """Read what a sender has still to say, who would not listen before, and forget it."""
        self.connection.settimeout(_PATIENCE)
        read = 0
        # Nothing, or slowly: then nobody is about to send it.
        with contextlib.suppress(OSError):
            while read < 10 * MOST_BYTES and (part := self.rfile.read1(_DISCARDED)):
                read += len(part)
        self.connection.settimeout(self.timeout)

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
