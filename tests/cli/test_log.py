"""Warnings of the package are plain lines of a command, and logs of absl are none."""

import logging

from absl import logging as absl_logging

from dgn_tf.cli.app import guarded

log = logging.getLogger("dgn_tf.somewhere")


def test_a_warning_is_a_line_and_what_others_log_is_not(capsys):
    def command(_argv):
        log.info("nothing")
        log.warning("%d images are left out", 3)
        log.error("Training stopped: lower `verbosity`")
        absl_logging.warning("a word of a library")

    guarded(command)([])
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "",
        "warning: 3 images are left out\nerror: Training stopped: lower --verbosity\n",
    )


def test_afterwards_programs_hear_it_as_they_like(caplog, capsys):
    guarded(lambda _argv: None)([])
    log.warning("later")
    assert caplog.messages == ["later"] and "warning: " not in capsys.readouterr().err
