"""Bake: the chosen takes onto the heads, as keys that can be edited."""

from typing import Any

import bpy

from .. import bake_queue, lines
from ..operators import CTEG_OT_bake, CTEG_OT_move_strips, CTEG_OT_remove_baked, CTEG_OT_update_from_strips
from .drawing import Sidebar, draw_reason, split_column


class CTEG_PT_bake(Sidebar):
    """Where takes go, and how."""

    bl_idname = "CTEG_PT_bake"
    bl_label = "Bake"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        settings = lines.settings_of(context.scene).bake
        column = split_column(layout.column())
        column.prop(settings, "target")
        column.prop(settings, "lines")
        column.prop(settings, "layer")
        column.separator()
        column.prop(settings, "to_nla")
        blends = column.column(align=True)
        blends.active = settings.to_nla
        blends.prop(settings, "blend_in")
        blends.prop(settings, "blend_out")
        column.prop(settings, "extend_range")
        column.prop(settings, "tolerance")
        _draw_buttons(layout, context)


def _draw_buttons(layout: Any, context: bpy.types.Context) -> None:
    row = layout.row()
    row.scale_y = 1.3
    row.operator(CTEG_OT_bake.bl_idname, icon="ACTION")
    draw_reason(layout, context, CTEG_OT_bake.why_not(context))
    progress = bake_queue.progress()
    if progress is not None:
        done, count = progress
        layout.progress(factor=done / max(1, count), text=f"Baking line {min(done + 1, count)} of {count}")
    column = layout.column(align=True)
    column.operator(CTEG_OT_move_strips.bl_idname)
    column.operator(CTEG_OT_update_from_strips.bl_idname)
    column.operator(CTEG_OT_remove_baked.bl_idname)


CLASSES = (CTEG_PT_bake,)
