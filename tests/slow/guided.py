"""Readers under atheris, which looks for inputs that reach new lines of the program.

Run as a program, `guided.py READER SECONDS FOLDER`, by the soak; atheris must be installed. It ends
with status 0 if nothing but an `InputError` came out of the reader.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dgn_tf.config", "dgn_tf.stored", "dgn_tf.data"]):
    import numpy as np

    from dgn_tf.config import Config
    from dgn_tf.data.cropping.journal import Journal
    from dgn_tf.data.examples import Examples
    from dgn_tf.data.labels import read_labels
    from dgn_tf.utils.errors import InputError
    from dgn_tf.utils.npz_files import read_npz

CLIPS = Examples(np.zeros((1, 2, 8, 8, 1), np.uint8), np.arange(1), ("a.mp4#000",))


def _config(path):
    Config.from_json(path.read_text(encoding="utf-8", errors="replace"))


READERS = {
    "config": (_config, Config().to_json().encode()),
    "labels": (lambda p: read_labels(str(p), ("mood",), CLIPS), b"clip,mood\na.mp4,sad\n"),
    "journal": (lambda p: Journal(p, ("source", "reason")), b'source,reason\na.png,"b, c"\n'),
    "npz": (lambda p: read_npz(str(p)), None),
}


def main():
    """Fuzz one reader."""
    name, seconds, folder = sys.argv[1:]
    read, seed = READERS[name]
    path, seeds = Path(folder, name), Path(folder, f"{name}-seeds")
    seeds.mkdir()
    if seed is None:
        np.savez_compressed(seeds / "seed.npz", images=np.zeros((2, 3, 4), np.uint8))
    else:
        (seeds / "seed").write_bytes(seed)

    def once(content):
        path.write_bytes(content)
        try:
            read(path)
        except InputError as error:
            assert str(error)

    options = [f"-max_total_time={seconds}", "-timeout=20", "-max_len=8192", "-verbosity=0"]
    atheris.Setup(["guided", *options, str(seeds)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
