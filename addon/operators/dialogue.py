"""The list of lines: add, paste, import, remove, reorder, duplicate; and who speaks."""

from pathlib import Path
from typing import Any

import bpy

from cteg_core.scripts import KIND_OF_SUFFIX

from .. import dialogue_text, lines, readings
from ..errors import CtegError
from ..rig import active_rig


class _OnLine(bpy.types.Operator):
    """What the operators on the active line share."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if lines.active_line(context.scene) is None:
            cls.poll_message_set("Add a line of dialogue first")
            return False
        return True


class CTEG_OT_line_add(bpy.types.Operator):
    """Add a line of dialogue after the active one"""

    bl_idname = "cteg.line_add"
    bl_label = "Add Line"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    def execute(self, context):  # type: ignore[no-untyped-def]
        scene = context.scene
        before = lines.active_line(scene)
        place = lines.settings_of(scene).active_line if before is not None else None
        lines.add(scene, "", before.character if before is not None else "", after=place)
        return {"FINISHED"}


class CTEG_OT_line_remove(_OnLine):
    """Take the active line off the list; what was baked stays, and undo brings the line back with its takes"""

    bl_idname = "cteg.line_remove"
    bl_label = "Remove Line"

    def execute(self, context):  # type: ignore[no-untyped-def]
        lines.lines_of(context.scene)
        lines.remove(context.scene, lines.active_line(context.scene).line_id)
        return {"FINISHED"}


class CTEG_OT_line_move(_OnLine):
    """Move the active line up or down the list; when it plays stays the same"""

    bl_idname = "cteg.line_move"
    bl_label = "Move Line in List"

    steps: bpy.props.IntProperty(name="Places", default=1)  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if len(lines.settings_of(context.scene).lines) < 2:
            cls.poll_message_set("There is only one line")
            return False
        return super().poll(context)

    def execute(self, context):  # type: ignore[no-untyped-def]
        lines.lines_of(context.scene)
        lines.move(context.scene, lines.active_line(context.scene).line_id, self.steps)
        return {"FINISHED"}


class CTEG_OT_line_duplicate(_OnLine):
    """Add a copy of the active line with all its settings, after it"""

    bl_idname = "cteg.line_duplicate"
    bl_label = "Duplicate Line"

    def execute(self, context):  # type: ignore[no-untyped-def]
        lines.lines_of(context.scene)
        lines.duplicate(context.scene, lines.active_line(context.scene).line_id)
        return {"FINISHED"}


class CTEG_OT_line_start_here(_OnLine):
    """Let the active line start at the current frame"""

    bl_idname = "cteg.line_start_here"
    bl_label = "Start at Current Frame"

    def execute(self, context):  # type: ignore[no-untyped-def]
        lines.active_line(context.scene).start = context.scene.frame_current
        return {"FINISHED"}


class CTEG_OT_lines_paste(bpy.types.Operator):
    """Add a line for every row of text in the clipboard; “NAME: text” says who speaks"""

    bl_idname = "cteg.lines_paste"
    bl_label = "Paste Lines"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            added, notes = dialogue_text.add_rows(context.scene, context.window_manager.clipboard)
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for note in notes:
            self.report({"WARNING"}, note)
        self.report({"INFO"}, f"Added {added} lines." if added > 1 else "Added a line.")
        return {"FINISHED"}


class CTEG_OT_lines_import(bpy.types.Operator):
    """Add the lines of a script: text, CSV, JSON, subtitles (SRT) or Fountain"""

    bl_idname = "cteg.lines_import"
    bl_label = "Import Script"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    filepath: bpy.props.StringProperty(subtype="FILE_PATH")  # type: ignore[valid-type]
    filter_glob: bpy.props.StringProperty(  # type: ignore[valid-type]
        default=";".join(f"*{suffix}" for suffix in KIND_OF_SUFFIX), options={"HIDDEN"}
    )

    def invoke(self, context, event):  # type: ignore[no-untyped-def]
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            added, notes = dialogue_text.import_script(context.scene, Path(bpy.path.abspath(self.filepath)))
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for note in notes:
            self.report({"WARNING"}, note)
        self.report({"INFO"}, f"Added {added} lines of {Path(self.filepath).name}.")
        return {"FINISHED"}


class CTEG_OT_emotion_override(_OnLine):
    """Set the emotion by hand, starting from the one that was read from the text"""

    bl_idname = "cteg.emotion_override"
    bl_label = "Override"

    def execute(self, context):  # type: ignore[no-untyped-def]
        line = lines.active_line(context.scene)
        read = lines.emotion_read(context.scene, line)
        if read is not None:
            lines.set_emotion(line, read)
        line.emotion_override = True
        return {"FINISHED"}


class CTEG_OT_emotion_read(bpy.types.Operator):
    """Read the emotion of the active line's text, without performing it; the network starts if it must"""

    bl_idname = "cteg.emotion_read"
    bl_label = "Read Emotion"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        line = lines.active_line(context.scene)
        if line is None or not line.text.strip():
            cls.poll_message_set("Write what the character says first")
            return False
        if readings.is_reading():
            cls.poll_message_set("The text is being read")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        line: Any = lines.active_line(context.scene)
        try:
            readings.ask([(line.text, lines.context_of(context.scene, line))])
            if bpy.app.background:
                while readings.tick(0.05):
                    pass
            else:
                readings.follow()
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CTEG_OT_character_add(bpy.types.Operator):
    """Add a character who speaks; the selected head becomes theirs"""

    bl_idname = "cteg.character_add"
    bl_label = "Add Character"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    name: bpy.props.StringProperty(name="Name", default="Character")  # type: ignore[valid-type]

    def execute(self, context):  # type: ignore[no-untyped-def]
        settings = lines.settings_of(context.scene)
        rig = active_rig(context)
        taken = {character.head for character in settings.characters}
        name = rig.name if rig is not None and rig.mesh not in taken else self.name
        count = 1
        unique = name
        while settings.characters.get(unique) is not None:
            count += 1
            unique = f"{name} {count}"
        lines.add_character(context.scene, unique, rig.mesh if rig is not None and rig.mesh not in taken else None)
        settings.active_character = len(settings.characters) - 1
        return {"FINISHED"}


class CTEG_OT_character_remove(bpy.types.Operator):
    """Take the active character off the list; their lines and their head stay"""

    bl_idname = "cteg.character_remove"
    bl_label = "Remove Character"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not lines.settings_of(context.scene).characters:
            cls.poll_message_set("There is no character in the list")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        settings = lines.settings_of(context.scene)
        settings.characters.remove(settings.active_character)
        settings.active_character = max(0, min(settings.active_character, len(settings.characters) - 1))
        return {"FINISHED"}
