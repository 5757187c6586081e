"""An explorer's server in this process, and who asks it."""

import http.client
import json
import threading
import time

from dgn_tf.config import InferenceConfig
from dgn_tf.explorer.address import Address
from dgn_tf.explorer.server import ExplorerServer
from dgn_tf.explorer.subject import Subject

SETTINGS = InferenceConfig(steps=10)
HERE = Address("127.0.0.1", 0)
Z = {"appearance": [0.5, -1.0, 2.0], "geometry": [1.0, -0.25]}


class Client:
    """Asks a server that runs in a thread of this process."""

    def __init__(self, server):
        self.server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def ask(self, path, body=None, headers=None, method=None):
        """Status, content type, and the content: an object if it is JSON, else bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_address[1])
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
        answer = connection.getresponse()
        content, kind = answer.read(), answer.headers["Content-Type"]
        connection.close()
        return answer.status, kind, json.loads(content) if kind == "application/json" else content

    def wait(self, job):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status, _, found = self.ask(f"/api/jobs/{job}")
            assert status == 200
            if found["state"] != "running":
                return found
            time.sleep(0.05)
        raise AssertionError("the job does not end")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def serving(config, model, place=HERE, **known):
    return Client(ExplorerServer(Subject("heads", config, model, **known), place, SETTINGS))
