"""Bake: the chosen takes onto the heads, as keys that can be edited."""

from typing import Any

import bpy

from .. import lines, operators
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
    row = layout.row(align=True)
    row.scale_y = 1.3
    operator: Any
    for operator in operators.BAKE:
        row.operator(operator.bl_idname)
        reason = getattr(operator, "why_not", None)
        if reason is not None:
            draw_reason(layout, context, reason(context))
        row = layout.row(align=True)


CLASSES = (CTEG_PT_bake,)
