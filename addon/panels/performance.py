"""Performance: how the active line is acted, and its takes."""

from collections.abc import Iterable, Iterator
from typing import Any

import bpy

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS, EmotionRead

from .. import history, lines, notices, performance, preferences, presets, preview, properties, readings
from ..operators import (
    CTEG_OT_cancel,
    CTEG_OT_emotion_override,
    CTEG_OT_emotion_read,
    CTEG_OT_generate,
    CTEG_OT_generate_all,
    CTEG_OT_preset_apply,
    CTEG_OT_preset_remove,
    CTEG_OT_preset_save,
    CTEG_OT_take_choose,
    CTEG_OT_take_discard,
    CTEG_OT_take_keep,
    CTEG_OT_take_more_like,
    CTEG_OT_take_preview,
)
from ..operators.generate import why_not, why_not_all
from ..operators.runtime import why_no_network
from .drawing import Sidebar, draw_reason, draw_sentences, split_column


class CTEG_PT_performance(Sidebar):
    """Generate, and the takes of the active line."""

    bl_idname = "CTEG_PT_performance"
    bl_label = "Performance"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        line = lines.active_line(context.scene)
        if line is not None:
            row = layout.row(align=True)
            row.prop(line, "takes")
            row.prop(line, "seed")
            row.prop(line, "seed_locked", text="", icon="LOCKED" if line.seed_locked else "UNLOCKED")
        reason = why_not(context)
        row = layout.row(align=True)
        row.scale_y = 1.3
        row.operator(CTEG_OT_generate.bl_idname, icon="PLAY")
        row.operator(CTEG_OT_generate_all.bl_idname)
        if not performance.is_running():
            draw_reason(layout, context, reason if reason is not None else why_not_all(context))
        layout.prop(lines.settings_of(context.scene), "bake_when_done")
        _draw_progress(layout, context)
        _draw_outcome(layout, context)
        _draw_set_up(layout, context)
        if line is not None:
            _draw_takes(layout, context, line)


class CTEG_PT_emotion(Sidebar):
    """The emotion of the active line: read from the text, or set by hand."""

    bl_idname = "CTEG_PT_emotion"
    bl_label = "Emotion"
    bl_parent_id = "CTEG_PT_performance"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return lines.active_line(context.scene) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        line: Any = lines.active_line(context.scene)
        settings = lines.settings_of(context.scene)
        if line.emotion_override:
            layout.prop(line, "emotion_override", text="Override: Set by Hand", toggle=True, icon="GREASEPENCIL")
            _draw_bars(layout, line, settings.show_all_emotions)
            layout.prop(settings, "show_all_emotions")
            _draw_tone(layout, line)
        else:
            layout.operator(CTEG_OT_emotion_override.bl_idname, icon="GREASEPENCIL")
            read = lines.emotion_read(line.id_data, line)
            if read is None:
                row = layout.row(align=True)
                words = "Reading the text…" if readings.is_reading() else "Not read yet."
                row.label(text=words, icon="INFO")
                row.operator(CTEG_OT_emotion_read.bl_idname, text="Read", icon="VIEWZOOM")
                if readings.failure():
                    draw_sentences(layout.column(align=True), context, (readings.failure(),), "ERROR")
            else:
                _draw_read(layout, read, settings.show_all_emotions)
                layout.prop(settings, "show_all_emotions")
            row = layout.row(align=True)
            row.active = not line.context.strip()
            row.prop(line, "with_context")
            split_column(layout.column()).prop(line, "context")


class CTEG_PT_face(Sidebar):
    """How strongly the face acts, and faces to start from."""

    bl_idname = "CTEG_PT_face"
    bl_label = "Face"
    bl_parent_id = "CTEG_PT_performance"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return lines.active_line(context.scene) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        line: Any = lines.active_line(context.scene)
        grid = layout.grid_flow(row_major=True, columns=3, even_columns=True, align=True)
        for preset in presets.BUILT_IN:
            grid.operator(CTEG_OT_preset_apply.bl_idname, text=preset.name).name = preset.name
        row = layout.row(align=True)
        row.menu(CTEG_MT_presets.bl_idname, text="My Faces", icon="PRESET")
        row.operator(CTEG_OT_preset_save.bl_idname, text="", icon="ADD")
        column = split_column(layout.column())
        for name in ("intensity", "expressiveness", "variety"):
            column.prop(line, name, slider=True)
        column.separator()
        for name in ("upper", "lower"):
            column.prop(line, name, slider=True)
        column.prop(line, "smoothing", slider=True)
        row = layout.row(align=True)
        row.prop(line, "speech", toggle=True)
        row.prop(line, "blinks", toggle=True)
        row.prop(line, "gaze", toggle=True)


class CTEG_MT_presets(bpy.types.Menu):
    """Faces that the user saved."""

    bl_idname = "CTEG_MT_presets"
    bl_label = "My Faces"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        own = presets.own()
        if not own:
            layout.label(text="None yet: the plus saves the line's face as one.")
        for preset in own:
            row = layout.row(align=True)
            row.operator(CTEG_OT_preset_apply.bl_idname, text=preset.name).name = preset.name
            row.operator(CTEG_OT_preset_remove.bl_idname, text="", icon="X").name = preset.name


def _draw_progress(layout: Any, context: bpy.types.Context) -> None:
    progress = performance.progress()
    if progress is None:
        return
    column = layout.column(align=True)
    column.progress(factor=progress.fraction, text=progress.message)
    column.operator(CTEG_OT_cancel.bl_idname, icon="CANCEL")
    words = f"{progress.lines_done} of {progress.lines} lines"
    if progress.frames:
        words += f", {progress.frames} of about {max(progress.frames, progress.frames_expected)} frames"
    if progress.seconds_left is not None:
        words += f", {_in_words(progress.seconds_left)} left"
    draw_sentences(layout.column(align=True), context, (f"{words}.",), "INFO")


def _in_words(seconds: float) -> str:
    return f"about {max(1.0, seconds):.0f} s" if seconds < 90.0 else f"about {seconds / 60.0:.0f} min"


def _draw_outcome(layout: Any, context: bpy.types.Context) -> None:
    outcome = notices.outcome()
    if outcome is None or not outcome.sentences:
        return
    column = layout.column(align=True)
    column.alert = outcome.failed
    draw_sentences(column, context, _one_of_a_kind(outcome.sentences), "ERROR" if outcome.failed else "INFO", most=4)


def _draw_set_up(layout: Any, context: bpy.types.Context) -> None:
    """Lead to the page where the network is set up, for as long as it cannot run."""
    missing = why_no_network()
    if missing is None:
        return
    label, sentence = missing
    outcome = notices.outcome()
    if outcome is None or not outcome.failed:
        draw_sentences(layout.column(align=True), context, (sentence,), "INFO")
    layout.operator("preferences.addon_show", text=f"{label}…", icon="PREFERENCES").module = preferences.MODULE


def _one_of_a_kind(sentences: Iterable[str]) -> Iterator[str]:
    """Give one of the sentences that say the same of several lines, and how often it is said."""
    kinds: dict[str, list[str]] = {}
    for sentence in sentences:
        kinds.setdefault(sentence.partition(":")[0], []).append(sentence)
    for first, *more in kinds.values():
        yield f"{len(more) + 1} times: {first}" if more else first


def _draw_takes(layout: Any, context: bpy.types.Context, line: Any) -> None:
    takes = lines.takes_of(line)
    if not takes:
        return
    draw_sentences(layout.column(align=True), context, history.notes(), "INFO")
    chosen = lines.chosen_take(line)
    column = layout.box().column(align=True)
    for number, take in enumerate(takes, 1):
        row = column.row(align=True)
        is_chosen = chosen is not None and take.take_id == chosen.take_id
        _take_button(row, CTEG_OT_take_preview, take, "PAUSE" if preview.is_shown(take.take_id) else "PLAY")
        clip = take.clip
        strongest = f" · {clip.emotion.strongest(1)[0][0]}" if clip.emotion is not None else ""
        button = row.operator(
            CTEG_OT_take_choose.bl_idname,
            text=f"{number}: seed {clip.seed} · {clip.seconds:.1f} s{strongest}",
            icon="RADIOBUT_ON" if is_chosen else "RADIOBUT_OFF",
            depress=is_chosen,
        )
        button.take_id = take.take_id
        _take_button(row, CTEG_OT_take_keep, take, "PINNED" if take.kept else "UNPINNED")
        _take_button(row, CTEG_OT_take_more_like, take, "DUPLICATE")
        _take_button(row, CTEG_OT_take_discard, take, "X")
    layout.prop(lines.settings_of(context.scene), "likeness", text="Likeness of More Like This", slider=True)


def _take_button(row: Any, operator: Any, take: history.Take, icon: str) -> None:
    row.operator(operator.bl_idname, text="", icon=icon).take_id = take.take_id


def _draw_bars(layout: Any, line: Any, all_labels: bool) -> None:
    column = layout.column(align=True)
    if not all_labels:
        for basic in BASIC_EMOTIONS:
            column.prop(line, basic, slider=True)
        return
    for basic in BASIC_EMOTIONS:
        for index, label in enumerate(EMOTION_LABELS):
            if BASIC_OF_LABEL[label] == basic:
                column.prop(line, "emotion", index=index, text=label.title(), slider=True)
        column.separator()


def _draw_tone(layout: Any, line: Any) -> None:
    layout.prop(line, "affect_override")
    if line.affect_override:
        column = layout.column(align=True)
        for name in ("valence", "arousal", "dominance"):
            column.prop(line, name, slider=True)


def _draw_read(layout: Any, read: EmotionRead, all_labels: bool) -> None:
    column = layout.column(align=True)
    if all_labels:
        for label, share in read.strongest(len(EMOTION_LABELS)):
            column.progress(factor=share, text=f"{label.title()}  {100 * share:.0f} %")
        return
    for basic in BASIC_EMOTIONS:
        shares = zip(EMOTION_LABELS, read.probabilities, strict=True)
        share = min(1.0, sum(each for label, each in shares if BASIC_OF_LABEL[label] == basic))
        name = properties.LABEL_OF_BASIC[basic].title()
        column.progress(factor=share, text=f"{name}  {100 * share:.0f} %")


CLASSES = (CTEG_PT_performance, CTEG_PT_emotion, CTEG_PT_face, CTEG_MT_presets)
