"""What a command says that refuses."""


def refused(said, *messages):
    """One line of error, status 2."""
    assert said.status == 2
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    for message in messages:
        assert message in line
