"""Takes of the active line: play, choose, keep, discard, and more like one of them."""

from typing import Any

import bpy

from .. import baking, history, line_bake, lines, performance, preview, take_preview
from ..errors import CtegError
from ..wishes import wish_for
from .generate import perform


class _OnTake(bpy.types.Operator):
    """What the operators share: a take, named by its id."""

    take_id: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        line = lines.active_line(context.scene)
        if line is None or not lines.takes_of(line):
            cls.poll_message_set("This line has no take yet: press Generate")
            return False
        return True

    def take_of(self, context: bpy.types.Context) -> tuple[Any, history.Take]:
        """Return the take and its line, the chosen one where none is named; raises CtegError if it is gone."""
        line = lines.active_line(context.scene)
        take = history.find(self.take_id) if self.take_id else lines.chosen_take(line)
        if line is None or take is None or take.line_id != line.line_id:
            raise CtegError("This take is no longer in the line's history.")
        return line, take


class CTEG_OT_take_preview(_OnTake):
    """Play this take on the head without baking it; press again to stop. Nothing of yours is touched"""

    bl_idname = "cteg.take_preview"
    bl_label = "Preview"

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            line, take = self.take_of(context)
            take_preview.toggle(context, line, take)
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CTEG_OT_take_choose(_OnTake):
    """Let the line play this take; with Bake Takes at Once on, it takes the place of the one on the timeline"""

    bl_idname = "cteg.take_choose"
    bl_label = "Choose"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            line, take = self.take_of(context)
            lines.choose_take(line, take.take_id)
            at_once = lines.settings_of(context.scene).bake_when_done
            if at_once and line.line_id in baking.starts_of_lines(context.scene):
                for note in line_bake.bake_line(context.scene, line).notes:
                    self.report({"WARNING"}, note)
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CTEG_OT_take_keep(_OnTake):
    """Keep this take however many more are made; press again to let it go with the oldest"""

    bl_idname = "cteg.take_keep"
    bl_label = "Keep"

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            _, take = self.take_of(context)
            history.keep(take.take_id, not take.kept)
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CTEG_OT_take_discard(_OnTake):
    """Take this take off the list; undo brings it back until the file is closed"""

    bl_idname = "cteg.take_discard"
    bl_label = "Discard"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            line, take = self.take_of(context)
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if preview.is_shown(take.take_id):
            take_preview.stop(context)
        lines.discard_take(line, take.take_id)
        return {"FINISHED"}


class CTEG_OT_take_more_like(_OnTake):
    """Make takes in the manner of this one, as near as Likeness says; they join the others"""

    bl_idname = "cteg.take_more_like"
    bl_label = "More Like This"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        line = lines.active_line(context.scene)
        if line is not None and performance.state_of(line.line_id) is not None:
            cls.poll_message_set("This line is being performed; wait for it or cancel it")
            return False
        return super().poll(context)

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            line, take = self.take_of(context)
            wishes = [wish_for(context.scene, line, near=take)]
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return perform(self, wishes)
