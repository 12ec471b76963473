"""What the user can press: each operator checks, calls the API, and says how it went."""

from .add_head import CTEG_OT_add_head
from .bake import CTEG_OT_bake, CTEG_OT_move_strips, CTEG_OT_remove_baked, CTEG_OT_update_from_strips
from .characters import (
    CTEG_OT_export_livelink,
    CTEG_OT_import_livelink,
    CTEG_OT_make_animatable,
    CTEG_OT_register_character,
)
from .dialogue import (
    CTEG_OT_character_add,
    CTEG_OT_character_remove,
    CTEG_OT_emotion_override,
    CTEG_OT_emotion_read,
    CTEG_OT_line_add,
    CTEG_OT_line_duplicate,
    CTEG_OT_line_move,
    CTEG_OT_line_remove,
    CTEG_OT_line_start_here,
    CTEG_OT_lines_import,
    CTEG_OT_lines_paste,
)
from .flame_files import CTEG_OT_add_flame_head, CTEG_OT_use_flame_file
from .generate import CTEG_OT_cancel, CTEG_OT_generate, CTEG_OT_generate_all
from .head_rig import CTEG_OT_bake_correctives, CTEG_OT_fit_bones, CTEG_OT_restore_correctives
from .presets import CTEG_OT_preset_apply, CTEG_OT_preset_remove, CTEG_OT_preset_save
from .runtime import (
    RUNTIME,
    CTEG_OT_runtime_cancel,
    CTEG_OT_runtime_remove,
    CTEG_OT_runtime_set_up,
    CTEG_OT_runtime_try,
)
from .takes import (
    CTEG_OT_take_choose,
    CTEG_OT_take_discard,
    CTEG_OT_take_keep,
    CTEG_OT_take_more_like,
    CTEG_OT_take_preview,
)

__all__ = [
    "BAKE",
    "CLASSES",
    "RUNTIME",
    "CTEG_OT_add_flame_head",
    "CTEG_OT_add_head",
    "CTEG_OT_bake",
    "CTEG_OT_bake_correctives",
    "CTEG_OT_cancel",
    "CTEG_OT_character_add",
    "CTEG_OT_character_remove",
    "CTEG_OT_emotion_override",
    "CTEG_OT_emotion_read",
    "CTEG_OT_export_livelink",
    "CTEG_OT_fit_bones",
    "CTEG_OT_generate",
    "CTEG_OT_generate_all",
    "CTEG_OT_import_livelink",
    "CTEG_OT_line_add",
    "CTEG_OT_line_duplicate",
    "CTEG_OT_line_move",
    "CTEG_OT_line_remove",
    "CTEG_OT_line_start_here",
    "CTEG_OT_lines_import",
    "CTEG_OT_lines_paste",
    "CTEG_OT_make_animatable",
    "CTEG_OT_move_strips",
    "CTEG_OT_preset_apply",
    "CTEG_OT_preset_remove",
    "CTEG_OT_preset_save",
    "CTEG_OT_register_character",
    "CTEG_OT_remove_baked",
    "CTEG_OT_restore_correctives",
    "CTEG_OT_runtime_cancel",
    "CTEG_OT_runtime_remove",
    "CTEG_OT_runtime_set_up",
    "CTEG_OT_runtime_try",
    "CTEG_OT_take_choose",
    "CTEG_OT_take_discard",
    "CTEG_OT_take_keep",
    "CTEG_OT_take_more_like",
    "CTEG_OT_take_preview",
    "CTEG_OT_update_from_strips",
    "CTEG_OT_use_flame_file",
]

BAKE: tuple[type, ...] = (CTEG_OT_bake, CTEG_OT_move_strips, CTEG_OT_update_from_strips, CTEG_OT_remove_baked)
"""The buttons of the Bake panel, in their order."""

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
    CTEG_OT_line_add,
    CTEG_OT_line_remove,
    CTEG_OT_line_move,
    CTEG_OT_line_duplicate,
    CTEG_OT_line_start_here,
    CTEG_OT_lines_paste,
    CTEG_OT_lines_import,
    CTEG_OT_emotion_override,
    CTEG_OT_emotion_read,
    CTEG_OT_character_add,
    CTEG_OT_character_remove,
    CTEG_OT_take_preview,
    CTEG_OT_take_choose,
    CTEG_OT_take_keep,
    CTEG_OT_take_discard,
    CTEG_OT_take_more_like,
    CTEG_OT_preset_apply,
    CTEG_OT_preset_save,
    CTEG_OT_preset_remove,
    *BAKE,
    *RUNTIME,
)
