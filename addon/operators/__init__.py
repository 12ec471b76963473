"""What the user can press: each operator checks, calls the API, and says how it went."""

from .add_head import CTEG_OT_add_head
from .characters import (
    CTEG_OT_export_livelink,
    CTEG_OT_import_livelink,
    CTEG_OT_make_animatable,
    CTEG_OT_register_character,
)
from .flame_files import CTEG_OT_add_flame_head, CTEG_OT_use_flame_file
from .generate import CTEG_OT_cancel, CTEG_OT_generate, CTEG_OT_generate_all
from .head_rig import CTEG_OT_bake_correctives, CTEG_OT_fit_bones, CTEG_OT_restore_correctives

__all__ = [
    "CLASSES",
    "CTEG_OT_add_flame_head",
    "CTEG_OT_add_head",
    "CTEG_OT_bake_correctives",
    "CTEG_OT_cancel",
    "CTEG_OT_export_livelink",
    "CTEG_OT_fit_bones",
    "CTEG_OT_generate",
    "CTEG_OT_generate_all",
    "CTEG_OT_import_livelink",
    "CTEG_OT_make_animatable",
    "CTEG_OT_register_character",
    "CTEG_OT_restore_correctives",
    "CTEG_OT_use_flame_file",
]

CLASSES = (
    CTEG_OT_register_character,
    CTEG_OT_make_animatable,
    CTEG_OT_import_livelink,
    CTEG_OT_export_livelink,
    CTEG_OT_add_head,
    CTEG_OT_add_flame_head,
    CTEG_OT_use_flame_file,
    CTEG_OT_generate,
    CTEG_OT_generate_all,
    CTEG_OT_cancel,
    CTEG_OT_fit_bones,
    CTEG_OT_bake_correctives,
    CTEG_OT_restore_correctives,
)
