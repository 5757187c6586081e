"""What `import dgn_tf` gives: names that cost nothing until they are used, each with an example."""

import doctest
import importlib
import subprocess
import sys

import pytest

import dgn_tf as dgn

NAMES = [name for name in dgn.__all__ if name != "__version__"]


def test_importing_imports_neither_tensorflow_nor_numpy():
    program = (
        "import sys, dgn_tf; names = dir(dgn_tf); from dgn_tf import doctor;"
        "import dgn_tf.serving.client, dgn_tf.serving.lite;"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules, 'load_images' in names)"
    )
    # Nor what takes longer than the package itself: a command cannot answer Ctrl-C before.
    quick = (
        "import sys; before = set(sys.modules); import dgn_tf.__main__;"
        "print(bool({'numpy', 'tensorflow', 'logging', 'tempfile', 'importlib.abc'}"
        " & (set(sys.modules) - before)))"
    )
    for code, said in ((program, "False False True"), (quick, "False")):
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.stdout.strip() == said, found.stderr


def test_every_name_is_there_and_no_other():
    assert sorted(dgn._PLACES) == sorted(NAMES)
    for name in NAMES:
        assert getattr(dgn, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        dgn.lode  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_name_is_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = getattr(dgn, name)
    module = importlib.import_module(dgn._PLACES[name])
    finder = doctest.DocTestFinder(recurse=False)
    tests = [test for test in finder.find(found, name, module) if test.examples]
    assert tests, f"{name} has no example"
    for test in tests:
        result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        assert result.failed == 0
