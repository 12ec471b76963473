"""Bake, and what is done to baked lines: moved to where the list says, read back from their strips, taken off."""

from collections.abc import Sequence

import bpy

from .. import bake_queue, baking, lines, notices, performance
from ..actions import LINE
from ..errors import CtegError


def lines_meant(scene: bpy.types.Scene) -> list[lines.Line]:
    """Return the lines that the Bake panel is set to."""
    settings = lines.settings_of(scene)
    which = settings.bake.lines
    if which == "ACTIVE":
        active = lines.active_line(scene)
        return [active] if active is not None else []
    if which == "RANGE":
        return [line for line in settings.lines if scene.frame_start <= line.start <= scene.frame_end]
    return list(settings.lines)


def _why_no_lines(scene: bpy.types.Scene | None) -> str | None:
    if scene is None:
        return "Blender has no scene open"
    if bake_queue.is_running():
        return "Lines are being baked; wait for them"
    if performance.is_running():
        return "Lines are being performed; wait for them or cancel them"
    if not lines.settings_of(scene).lines:
        return "Add a line of dialogue first"
    if not lines_meant(scene):
        return "No line starts within the scene's frame range"
    return None


def _why_not_baked(scene: bpy.types.Scene | None) -> str | None:
    reason = _why_no_lines(scene)
    # Cheap, since it is asked whenever the panel is drawn.
    if reason is None and not any(action.get(LINE) for action in bpy.data.actions):
        return "No line is on the timeline yet: bake one first"
    return reason


class _OnLines(bpy.types.Operator):
    """What the operators share: a reason where they cannot be pressed."""

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str | None:
        """Return why it cannot be pressed now; None if it can."""
        return _why_not_baked(context.scene)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = cls.why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None


class CTEG_OT_bake(_OnLines):
    """Bake the chosen takes onto the heads; what these lines had there before is replaced, all else stays"""

    bl_idname = "cteg.bake"
    bl_label = "Bake"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str | None:
        """Return why it cannot be pressed now; None if it can."""
        scene = context.scene
        reason = _why_no_lines(scene)
        if reason is not None or scene is None:
            return reason
        ready = [line for line in lines_meant(scene) if lines.chosen_take(line) is not None]
        if not ready:
            return "None of these lines has a take yet: press Generate first"
        if any(lines.head_of(scene, line) is not None for line in ready):
            return None
        names = sorted({line.character for line in ready if line.character})
        who = f"“{names[0]}” has no head" if names else "There is no head"
        return f"{who}: choose one in the Character panel"

    def execute(self, context):  # type: ignore[no-untyped-def]
        scene = context.scene
        try:
            lines.lines_of(scene)
            ready = [line.line_id for line in lines_meant(scene) if lines.chosen_take(line) is not None]
            bake_queue.start(scene, ready)
            if not bpy.app.background:
                bake_queue.follow()
                return {"FINISHED"}
            said = bake_queue.finish()
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not said.done:
            self.report({"ERROR"}, said.sentences[0])
            return {"CANCELLED"}
        for sentence in said.sentences:
            self.report({"WARNING"} if sentence in said.failed else {"INFO"}, sentence)
        return {"FINISHED"}


class _OnTimeline(_OnLines):
    """What the operators on baked lines share: they count, and go on where one line cannot be changed."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set
    done = ""

    def change(self, scene: bpy.types.Scene, line: lines.Line) -> int:
        """Change what a line has on the timeline; return how many strips that were. Raises CtegError."""
        raise NotImplementedError

    def lines_of(self, scene: bpy.types.Scene) -> Sequence[lines.Line]:
        """Return the lines to change."""
        return lines_meant(scene)

    def change_all(self, scene: bpy.types.Scene) -> tuple[int, list[str]]:
        """Change what lines have on the timeline; return how many lines that were, and why others could not be."""
        changed, failed = 0, []
        for line in self.lines_of(scene):
            try:
                changed += self.change(scene, line) > 0
            except CtegError as error:
                failed.append(str(error))
        return changed, failed

    def execute(self, context):  # type: ignore[no-untyped-def]
        changed, failed = self.change_all(context.scene)
        said = f"{changed} {'line' if changed == 1 else 'lines'} {self.done}."
        sentences = tuple(dict.fromkeys(failed)) + ((said,) if changed or not failed else ())
        notices.show(notices.Outcome(sentences, failed=bool(failed)))
        for sentence in sentences:
            self.report({"INFO"} if sentence == said else {"WARNING"}, sentence)
        return {"FINISHED"}


class CTEG_OT_move_strips(_OnTimeline):
    """Move what is baked to where the list says that the lines start; face, jaw and all meshes together"""

    bl_idname = "cteg.move_strips"
    bl_label = "Move Strips to List"
    done = "moved to where the list says"

    def change(self, scene, line):  # type: ignore[no-untyped-def]
        return baking.move_line(scene, line.line_id, line.start)


class CTEG_OT_update_from_strips(_OnTimeline):
    """Let the list say where the strips now are, after they were moved in the NLA editor; the jaw follows the face"""

    bl_idname = "cteg.update_from_strips"
    bl_label = "Update from Strips"
    done = "updated"

    def lines_of(self, scene: bpy.types.Scene) -> Sequence[lines.Line]:
        """Return every line that has strips: which ones were moved is not known before."""
        self.starts = baking.starts_of_lines(scene)
        return [line for line in lines.lines_of(scene) if line.line_id in self.starts]

    def change(self, scene, line):  # type: ignore[no-untyped-def]
        start = self.starts[line.line_id]
        changed = abs(line.start - start) > 1e-3
        if changed:
            line.start = start
        baking.move_line(scene, line.line_id, line.start)
        return int(changed)


class CTEG_OT_remove_baked(_OnTimeline):
    """Take these lines off the timeline; their takes and Actions are kept"""

    bl_idname = "cteg.remove_baked"
    bl_label = "Remove from Timeline"
    done = "taken off the timeline"

    def change_all(self, scene: bpy.types.Scene) -> tuple[int, list[str]]:
        """Take all of them off at once."""
        taken = baking.remove_lines(scene, [line.line_id for line in self.lines_of(scene)])
        return sum(count > 0 for count in taken.counts.values()), list(taken.failed)
