"""TensorFlow loads without a word, and shows what it had to say if it cannot be loaded."""

import logging
import os
import subprocess
import sys

import pytest
from absl import logging as absl_logging

from dgn_tf.utils.quiet import quiet_logs

# A package in TensorFlow's place, whose library writes to file descriptor 2.
NOISY = "import os\nos.write(2, b'a word of its library\\n')\n"
PROGRAM = (
    "import dgn_tf, sys\nfrom dgn_tf.utils.quiet import quiet_imports\nquiet_imports()\n"
    "quiet_imports()\nimport tensorflow\nassert tensorflow.__spec__.loader is "
    "tensorflow.__loader__\nassert 'dgn_tf' not in type(tensorflow.__loader__).__module__\n"
    "print('done', file=sys.stderr)"
)


def said(tmp_path, content, **environment):
    (tmp_path / "tensorflow.py").write_text(content)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env=inherited | {"PYTHONPATH": path} | environment,
    )
    return done.stderr


def test_what_the_library_writes_goes_nowhere(tmp_path):
    assert said(tmp_path, NOISY) == "done\n"


def test_an_import_that_fails_shows_it(tmp_path):
    told = said(tmp_path, NOISY + "raise ImportError('no such library')")
    assert told.startswith("a word of its library\n") and "no such library" in told


def test_who_asks_for_it_gets_it(tmp_path):
    assert said(tmp_path, NOISY, TF_CPP_MIN_LOG_LEVEL="0") == "a word of its library\ndone\n"


@pytest.mark.parametrize("closed", ["2>&-"])
def test_a_closed_standard_error_is_no_obstacle(tmp_path, closed):
    (tmp_path / "tensorflow.py").write_text(NOISY)
    program = PROGRAM.replace("print('done', file=sys.stderr)", "print('done')")
    program = "from dgn_tf.utils.terminal import at_the_terminal\nwith at_the_terminal():\n" + (
        "".join(f"  {line}\n" for line in program.split("\n"))
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_what_tensorflow_logs_goes_nowhere_unless_it_is_asked_for(monkeypatch):
    logger, before = logging.getLogger("tensorflow"), absl_logging.get_verbosity()
    monkeypatch.setattr(logger, "level", logging.INFO)
    for level, told in (("3", False), ("0", True)):
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
        with quiet_logs():
            assert logger.isEnabledFor(logging.WARNING) == told
            assert (absl_logging.get_verbosity() > absl_logging.ERROR) == told
        assert (logger.level, absl_logging.get_verbosity()) == (logging.INFO, before)


def test_what_the_package_warns_of_is_heard_in_programs_of_absl():
    program = (
        "import logging\nfrom absl import app\nfrom dgn_tf.cli.log import warnings_as_lines\n"
        "from dgn_tf.utils.quiet import quiet_logs\ndef main(_):\n"
        "  with warnings_as_lines(str), quiet_logs():\n"
        "    logging.getLogger('tensorflow').warning('noise')\n"
        "    logging.getLogger('dgn_tf.training').warning('a line is damaged')\napp.run(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.stderr == "warning: a line is damaged\n"
