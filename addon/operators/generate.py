"""Generate, and its Cancel."""

import bpy

from .. import api, performance
from ..rig import active_rig


def why_not(context: bpy.types.Context) -> str | None:
    """Return why Generate cannot be pressed now; None if it can."""
    if performance.current() is not None:
        return "A line is being performed; wait for it or cancel it"
    if active_rig(context) is None:
        return "There is no head to perform: select one, or add one first"
    if not context.scene.cteg.text.strip():
        return "Write what the character says first"
    return None


class CTEG_OT_generate(bpy.types.Operator):
    """Let the active head perform the line, from the current frame on"""

    bl_idname = "cteg.generate"
    bl_label = "Generate"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context):  # type: ignore[no-untyped-def]
        settings = context.scene.cteg
        try:
            follow = performance.finish if bpy.app.background else performance.follow
            follow(
                performance.Performance(
                    job=api.start_job(settings.text, seed=settings.seed, takes=settings.takes),
                    text=settings.text,
                    head_name=active_rig(context).name,
                    scene_name=context.scene.name,
                    start_frame=context.scene.frame_current,
                    to_nla=settings.to_nla,
                )
            )
        except api.CtegError as error:
            performance.conclude(performance.Outcome((str(error),), failed=True))
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CTEG_OT_cancel(bpy.types.Operator):
    """Give up the line that is being performed"""

    bl_idname = "cteg.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if performance.current() is None:
            cls.poll_message_set("Nothing is being performed")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        performance.cancel()
        return {"FINISHED"}
