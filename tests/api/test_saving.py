"""What a generator is kept as: a file of Keras, the Hub, a run, an export, files for devices."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import types
import urllib.request

import keras
import numpy as np
import pytest

import dgn_tf as dgn
from dgn_tf.api.directions import DirectionTable
from dgn_tf.utils.errors import InputError

SHIPPED = pathlib.Path(__file__).parents[2] / "saved_models" / "heads64"


def same(one, other, z):
    """Whether two generators are the same in all that they know."""
    np.testing.assert_array_equal(one.paint(z), other.paint(z))
    assert one.config == other.config
    assert repr(one.directions) == repr(other.directions)
    np.testing.assert_array_equal(one.sample(3, seed=2), other.sample(3, seed=2))
    np.testing.assert_allclose(one.known.statistics.errors, other.known.statistics.errors)


def same_encoder(one, other):
    image = np.full([1, 32, 32, 3], 0.3)
    first, second = one.infer(image, steps=10), other.infer(image, steps=10)
    np.testing.assert_allclose(first["geometry"], second["geometry"], atol=1e-4)


def test_a_file_of_keras_has_everything(trained, z, tmp_path):
    model = dgn.load(trained.folder)
    model.directions.rename(appearance={1: "age"})
    model.save(tmp_path / "faces.keras")
    loaded = dgn.load(tmp_path / "faces.keras")
    same(model, loaded, z)
    same_encoder(model, loaded)
    assert loaded.known.name == "faces" and "age" in repr(loaded.directions)
    assert isinstance(keras.saving.load_model(tmp_path / "faces.keras"), dgn.DeformableGenerator)
    with pytest.raises(InputError, match="overwrite=True"):
        model.save(tmp_path / "faces.keras", overwrite=False)
    with pytest.raises(InputError, match="must end in .keras"):
        model.save(tmp_path / "faces.h5")


@pytest.mark.slow
def test_another_process_loads_it(trained, z, tmp_path):
    trained.model.save(tmp_path / "faces.keras")
    np.savez(tmp_path / "z.npz", **z.groups)
    program = (
        "import numpy as np, dgn_tf as dgn; model = dgn.load('faces.keras');"
        "z = dgn.Latents(dict(np.load('z.npz'))); model.paint(z).save('painted')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
    painted = dgn.load_images(tmp_path / "painted", side=32)
    difference = np.abs(painted.images.astype(int) - np.asarray(trained.model.paint(z)))
    assert difference.max() <= 1


def test_a_run_is_loaded_with_all_that_it_has(trained, z):
    same(trained.model, dgn.load(trained.folder), z)


def test_an_export_is_what_the_command_exports(trained, tmp_path, monkeypatch):
    seen = {}

    def export(config, model, folder, **rest):
        seen.update(rest, folder=folder)
        return folder / "1"

    monkeypatch.setattr("dgn_tf.api.exporting.export_saved_model", export)
    assert trained.model.export(tmp_path / "faces") == tmp_path / "faces" / "1"
    assert seen["encoder"] is trained.model.encoder and seen["statistics"] is not None
    assert seen["directions"].keys() == seen["chains"].keys() == {"appearance", "geometry"}
    with pytest.raises(InputError, match="`path=.*a face`: the folder's name becomes part"):
        trained.model.export(tmp_path / "a face")


def test_the_export_that_comes_with_the_project_is_loaded():
    loaded = dgn.load(SHIPPED)
    assert repr(loaded) == "DeformableGenerator(64x64x3, appearance 6, geometry 12; trained)"
    assert loaded.known.name == dgn.load(SHIPPED / "2").known.name == "heads64"
    assert loaded.known.statistics is not None and "rotate" in repr(loaded.directions)


def test_the_hub_through_keras_own_saving(trained, z, tmp_path, monkeypatch):
    def upload_folder(repo_id, folder_path, commit_message):
        shutil.copytree(folder_path, tmp_path / repo_id)

    hub = types.SimpleNamespace(
        HfApi=lambda **_: types.SimpleNamespace(
            create_repo=lambda path, exist_ok: types.SimpleNamespace(repo_id=path),
            upload_folder=upload_folder,
        ),
        snapshot_download=lambda repo_id, **_: str(tmp_path / repo_id),
    )
    monkeypatch.setattr("keras.src.saving.saving_lib.huggingface_hub", hub)
    trained.model.save("hf://ann/faces")
    assert (tmp_path / "ann" / "faces" / "model.weights.h5").is_file()
    same(trained.model, dgn.load("hf://ann/faces"), z)
    same(trained.model, dgn.load(tmp_path / "ann" / "faces"), z)
    with pytest.raises(InputError, match="`overwrite=False` is for files: hf:// keeps"):
        trained.model.save("hf://ann/faces", overwrite=False)

    class LocalTokenNotFoundError(OSError):
        """As of huggingface_hub, which is not installed for tests."""

    def fail(error):
        def call(*_, **__):
            raise error

        return call

    for error, message in (
        (LocalTokenNotFoundError("Token is required"), "you are not logged in: `hf auth login`"),
        (
            ConnectionError("[Errno -2] Name unknown\nMax retries"),
            "the Hub cannot be reached: no n",
        ),
        (OSError("403 Client Error. (Request ID: 1)\n\nForbidden"), "you may not do that there"),
        (OSError("500 Server Error"), "the Hub refuses .500 Server Error."),
    ):
        api = types.SimpleNamespace(create_repo=fail(error))
        broken = types.SimpleNamespace(HfApi=lambda _=api, **__: _, snapshot_download=fail(error))
        monkeypatch.setattr("keras.src.saving.saving_lib.huggingface_hub", broken)
        for ask in (trained.model.save, dgn.load):
            with pytest.raises(InputError, match=f"path=hf://ann/faces`: {message}"):
                ask("hf://ann/faces")
    monkeypatch.setattr("keras.src.saving.saving_lib.huggingface_hub", None)
    for ask in (trained.model.save, dgn.load):
        with pytest.raises(InputError, match="hf://ann/faces.*huggingface_hub"):
            ask("hf://ann/faces")


def test_what_is_none_of_these_is_said(trained, tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"nothing")
    os.mkfifo(tmp_path / "pipe.keras")
    for path, message in (
        (tmp_path / "nowhere", "there is no such file or folder"),
        (tmp_path, "holds neither a run nor an export"),
        (tmp_path / "broken.keras", "cannot be read: it is no .keras file, or is cut off"),
        (tmp_path / "pipe.keras", "cannot be read: it is a named pipe"),
        (trained.folder / "model.keras", "networks alone .*give the folder of the run"),
    ):
        with pytest.raises(InputError, match=f"`path=.*{message}"):
            dgn.load(path)


def test_a_folder_is_no_place_for_a_file(trained, tmp_path):
    (tmp_path / "a.keras").mkdir()
    with pytest.raises(InputError, match="`filepath=.*a.keras` is a folder: name a file"):
        trained.model.save(tmp_path / "a.keras")


def test_files_for_devices_and_for_the_web(trained, tmp_path):
    path = trained.model.export(tmp_path / "faces.tflite", part="geometry", quantization="int8")
    assert path == tmp_path / "faces.tflite" and path.read_bytes()[4:8] == b"TFL3"
    page = trained.model.export(tmp_path / "page", format="web")
    assert (page / "index.html").is_file()
    for settings, message in (
        ({"path": "x.tflite", "quantization": "int4"}, "`quantization=int4`.*int8"),
        ({"path": "x.tflite", "part": "nose"}, "`part=nose`"),
        ({"path": "folder", "part": "geometry"}, "are of .tflite files"),
        ({"path": "folder", "format": "onnx"}, "`format=onnx`"),
        ({"path": "a.onnx"}, "`path=.*a.onnx` is no place .*NAME.tflite and folders"),
        ({"path": "a.keras"}, "NAME.keras is written by `save`"),
        ({"path": "a.html", "format": "web"}, "`format=web`: there are"),
        ({"path": "a", "format": "tflite"}, "`format=tflite`: there are NAME.tflite"),
    ):
        with pytest.raises(InputError, match=message):
            trained.model.export(tmp_path / settings.pop("path"), **settings)
    assert sorted(p.name for p in pathlib.Path(tmp_path).iterdir()) == ["faces.tflite", "page"]


def test_the_explorer_is_a_page_that_can_be_closed(trained):
    page = trained.model.explore(open_browser=False, block=False)
    assert repr(page) == f"Explorer({page.address})" and page.address in page._repr_html_()
    assert b"<html" in urllib.request.urlopen(page.address).read()
    with pytest.raises(InputError, match="`port="):
        trained.model.explore(port=int(page.address.split(":")[2][:-1]), open_browser=False)
    page.close()


def test_names_that_are_given_in_the_explorer_are_those_of_the_model(trained):
    before = trained.model.directions["appearance"].names
    page = trained.model.explore(port=0, open_browser=False, block=False)
    body = json.dumps({"group": "appearance", "direction": 0, "name": "age"}).encode()
    found = json.load(urllib.request.urlopen(f"{page.address}api/name", body))
    assert found == {"title": "age"}
    assert trained.model.directions.index("appearance", "age") == 0
    page.close()
    named = trained.model.directions["appearance"]
    trained.model.directions.groups["appearance"] = named._replace(names=before)


def test_an_untrained_model_is_kept_too(tmp_path):
    model = dgn.DeformableGenerator.from_preset("debug", alpha=0.1)
    model.save(tmp_path / "new.keras")
    loaded = dgn.load(tmp_path / "new.keras")
    assert not loaded.known.trained and not isinstance(loaded.known.directions, DirectionTable)
    np.testing.assert_array_equal(loaded.sample(2), model.sample(2))
