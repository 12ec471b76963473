"""Generate, for one line or all of them, and its Cancel."""

from collections.abc import Sequence

import bpy

from .. import lines, notices, performance
from ..errors import CtegError
from ..wishes import Wish, wish_for


def why_not(context: bpy.types.Context) -> str | None:
    """Return why the active line cannot be generated now; None if it can."""
    line = lines.active_line(context.scene)
    if line is None:
        return "Add a line of dialogue first"
    if performance.state_of(line.line_id) is not None:
        return "This line is being performed; wait for it or cancel it"
    return _why_not_line(context, line)


def why_not_all(context: bpy.types.Context) -> str | None:
    """Return why the scene's lines cannot be generated now; None if one of them can."""
    all_lines = lines.settings_of(context.scene).lines
    if not all_lines:
        return "Add a line of dialogue first"
    free = [line for line in all_lines if performance.state_of(line.line_id) is None]
    if not free:
        return "All lines are being performed; wait for them or cancel them"
    reasons = [_why_not_line(context, line) for line in free]
    return reasons[0] if all(reasons) else None


def _why_not_line(context: bpy.types.Context, line: lines.Line) -> str | None:
    if not line.text.strip():
        return "Write what the character says first"
    if lines.head_of(context.scene, line) is None:
        if line.character:
            return f"“{line.character}” has no head: choose one in the Character panel"
        return "There is no head to perform: select one, or add one first"
    return None


def perform(operator: bpy.types.Operator, wishes: Sequence[Wish]):  # type: ignore[no-untyped-def]
    """Start lines for an operator: in the interface they go on by themselves, elsewhere it waits for them."""
    try:
        performance.start(wishes)
        if not bpy.app.background:
            performance.follow()
            return {"FINISHED"}
        performance.finish()
    except CtegError as error:
        if not performance.is_running():
            said = notices.outcome()
            if said is None or not said.failed:
                performance.conclude(notices.Outcome((str(error),), failed=True))
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    return {"FINISHED"}


class CTEG_OT_generate(bpy.types.Operator):
    """Perform the active line: its takes appear below, and the first one is baked"""

    bl_idname = "cteg.generate"
    bl_label = "Generate"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context):  # type: ignore[no-untyped-def]
        lines.lines_of(context.scene)
        try:
            wishes = [wish_for(context.scene, lines.active_line(context.scene))]
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return perform(self, wishes)


class CTEG_OT_generate_all(bpy.types.Operator):
    """Perform every line that has no take yet, or was changed since; if there is none, all lines again"""

    bl_idname = "cteg.generate_all"
    bl_label = "Generate All"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = why_not_all(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context):  # type: ignore[no-untyped-def]
        scene = context.scene
        free = [
            line
            for line in lines.lines_of(scene)
            if performance.state_of(line.line_id) is None and _why_not_line(context, line) is None
        ]
        due = [line for line in free if not lines.takes_of(line) or lines.is_stale(scene, line)]
        wishes, skipped = [], []
        for line in due or free:
            try:
                wishes.append(wish_for(scene, line))
            except CtegError as error:
                skipped.append(str(error))
        for sentence in skipped:
            self.report({"WARNING"}, sentence)
        return perform(self, wishes) if wishes else {"CANCELLED"}


class CTEG_OT_cancel(bpy.types.Operator):
    """Give up what is being generated; lines that are done stay"""

    bl_idname = "cteg.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not performance.is_running():
            cls.poll_message_set("Nothing is being performed")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        performance.cancel()
        return {"FINISHED"}
