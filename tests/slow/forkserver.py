"""Training processes that start at once: forks of an interpreter that has imported everything.

Run as a program it reads JSON lines. {"argv": [...], "output": FILE} starts `dgn_tf.train argv` in
a process of its own and is answered by its id, {"wait": ID} by its exit status, negative for a
signal. Processes are forked before TensorFlow is used for the first time, and so before it has
threads. What may be given beside "argv" happens to the process:

* "kill": [N, SECONDS] sends it SIGKILL, SECONDS after its N-th change of a folder --run_dir.
* "largest": BYTES is the limit of every file that it writes (RLIMIT_FSIZE).
* "environment": {NAME: VALUE} is added to its environment.
* "clock": true sets the clock to another year at every look.
"""

import functools
import itertools
import json
import os
import random
import resource
import signal
import sys
import threading
import time

import tensorflow as tf

# The steps have no control flow that AutoGraph must translate, which takes half of a start.
tf.function = functools.partial(tf.function, autograph=False)

from dgn_tf import train  # noqa: E402

# Python tells these by a name relative to an open folder, when it removes a tree.
_REMOVALS = ("os.remove", "os.rmdir")
_CHANGES = ("os.mkdir", "os.rename")


def _changes(folder, event, arguments):
    if event == "open":
        event, writes = "os.mkdir", arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not writes:
            return False
    return event in _REMOVALS or (event in _CHANGES and str(arguments[0]).startswith(folder))


def _kill_at(folder, number, seconds):
    counter = itertools.count(1)

    def kill():
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        if _changes(folder, event, arguments) and next(counter) == number:
            threading.Thread(target=kill).start() if seconds else kill()

    sys.addaudithook(hook)


def _become(argv, output, kill=None, largest=None, clock=False, environment=None):
    """What the forked process does before the program begins."""
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment or {})
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    if clock:
        years = random.Random(0)
        time.time = lambda: years.uniform(0, 4e9)
    if kill:
        (folder,) = [a.partition("=")[2] for a in argv if a.startswith("--run_dir=")]
        _kill_at(folder, *kill)
    sys.argv = ["dgn-train", *argv]
    train.main_cli()


def main():
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                _become(**request)
                return
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
