"""What setup.cfg cannot say: a wheel holds the flagfiles of flags/ as dgn_tf/presets/."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPresets(build_py):
    """Copies the flagfiles too; an editable installation reads them where they are."""

    def run(self):
        """Copies the modules, then the flagfiles."""
        super().run()
        if self.editable_mode:
            return
        presets = Path(self.build_lib, "dgn_tf", "presets")
        self.mkpath(str(presets))
        for path in sorted(Path("flags").glob("*.cfg")):
            self.copy_file(str(path), str(presets / path.name))


setup(cmdclass={"build_py": BuildWithPresets})
