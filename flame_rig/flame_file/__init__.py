"""FLAME model files (2019, 2020, 2023, 2023 Open; ``.pkl`` and ``.npz``), read without running them.

Neither chumpy nor scipy is needed, and no pickle is executed (:mod:`flame_rig.untrusted`).
"""

from flame_rig.flame_file.editions import EDITIONS, FlameEdition
from flame_rig.flame_file.reading import FlameFile, read_flame
from flame_rig.flame_file.sentences import FlameFileError

__all__ = ["EDITIONS", "FlameEdition", "FlameFile", "FlameFileError", "read_flame"]
