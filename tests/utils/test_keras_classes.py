"""Keras finds the classes of this package in its files, whatever of it is imported by then."""

import json
import subprocess
import sys
import zipfile

import keras
import pytest

import dgn_tf as dgn

PROGRAM = """
import sys
{imports}
assert not [name for name in sys.modules if name.startswith(("dgn_tf.api", "dgn_tf.models"))]
model = keras.saving.load_model("small.keras")
print(type(model).__module__, type(model).__name__)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("small")
    dgn.DeformableGenerator.from_preset("debug", alpha=0.1).save(place / "small.keras")
    return place


def said(folder, imports):
    program = PROGRAM.format(imports=imports)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.mark.parametrize("imports", ["import dgn_tf, keras", "import keras, dgn_tf"])
def test_a_plain_import_is_enough(folder, imports):
    done = said(folder, imports)
    assert done.stdout == "dgn_tf.api.generators DeformableGenerator\n", done.stderr


@pytest.mark.slow
def test_without_it_keras_says_what_the_file_says(folder):
    assert "`import dgn_tf` before keras.saving.load_model" in said(folder, "import keras").stderr
    with zipfile.ZipFile(folder / "small.keras") as file:
        first = next(iter(json.loads(file.read("config.json"))["config"]))
    # Messages of Keras that are cut off show it too.
    assert first == "how_to_load"


def test_every_class_is_announced_with_its_module():
    for modules in dgn._CLASSES:
        __import__(modules)
    registered = keras.saving.get_custom_objects()
    found = {
        name: made.__module__ for name, made in registered.items() if name.startswith("dgn_tf>")
    }
    announced = {f"dgn_tf>{n}": module for module, names in dgn._CLASSES.items() for n in names}
    assert found == announced
