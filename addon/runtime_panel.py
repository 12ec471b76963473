"""What the preferences show of the environment: its state with one button, what was found, and the choices."""

from __future__ import annotations

import os
from typing import Any, Final

import bpy

from . import runtime_job, runtime_place
from .operators import runtime as buttons
from .panels.drawing import draw_sentences
from .runtime.command_line import found_in_words
from .runtime.states import State, Status
from .runtime.wish import needed_for
from .sidecar_command import COMMAND_VARIABLE

_ICONS: Final = {
    State.NOT_INSTALLED: "INFO",
    State.INSTALLING: "SORTTIME",
    State.READY: "CHECKMARK",
    State.BROKEN: "ERROR",
    State.UPDATE: "FILE_REFRESH",
}


def draw(layout: Any, context: bpy.types.Context, preferences: Any) -> None:
    """Draw the page."""
    box = layout.box()
    heading = box.row()
    heading.label(text="Where the network runs")
    job = runtime_job.running()
    status = runtime_place.status()
    if job is not None:
        _draw_running(box, job)
    elif status is None:
        _draw_checkout(box, context)
    else:
        _draw_state(box, context, status)
    _draw_outcome(box, context)
    if job is None and status is not None:
        _draw_choices(box, context, preferences)
    _draw_own(layout.box(), context, preferences)


def _draw_running(box: Any, job: runtime_job.SetupJob) -> None:
    row = box.row(align=True)
    row.progress(factor=job.progress.fraction, text=str(job.progress))
    row.operator(buttons.CTEG_OT_runtime_cancel.bl_idname, icon="CANCEL")
    excerpt = box.column(align=True)
    excerpt.active = False
    excerpt.scale_y = 0.8
    for line in job.log_excerpt:
        excerpt.label(text=line.strip())


def _draw_checkout(box: Any, context: bpy.types.Context) -> None:
    sentence = (
        f"This copy of the add-on runs from a checkout: choose a folder that `python3 run.py setup` made, here or in "
        f"{runtime_place.FOLDER_VARIABLE}."
    )
    draw_sentences(box.column(align=True), context, (sentence,), "INFO")


def _draw_state(box: Any, context: bpy.types.Context, status: Status) -> None:
    column = box.column(align=True)
    column.alert = status.state is State.BROKEN
    draw_sentences(column, context, (f"{status.state.value}. {status.sentence}",), _ICONS[status.state])  # type: ignore[arg-type]
    if status.state is not State.READY:
        draw_sentences(column, context, (_size_sentence(status),), "BLANK1")
    reason = buttons.why_not_set_up()
    row = box.row(align=True)
    row.scale_y = 1.4
    row.operator(buttons.CTEG_OT_runtime_set_up.bl_idname, text=buttons.label_of(status), icon="IMPORT")
    if status.marker is not None:
        row.operator(buttons.CTEG_OT_runtime_remove.bl_idname, icon="TRASH")
    if reason is not None:
        note = box.column(align=True)
        note.active = False
        draw_sentences(note, context, (f"{reason}.",), "INFO")
    if status.marker is None:
        return
    details = box.column(align=True)
    if status.marker.found is not None:
        for line in found_in_words(status.marker.found):
            details.label(text=line, icon="DOT")
    row = details.row(align=True)
    row.label(text=str(status.place.folder), icon="FILE_FOLDER")
    row.operator("wm.path_open", text="", icon="FILEBROWSER").filepath = str(status.place.folder)
    if status.place.log.is_file():
        row.operator("wm.path_open", text="Log", icon="TEXT").filepath = str(status.place.log)


def _size_sentence(status: Status) -> str:
    known = status.marker
    if status.state is State.UPDATE and known is not None and not buttons.needs_packages(status):
        return "Nothing is fetched for it: what is new came with the add-on."
    return f"{needed_for(buttons.wish())} (about). What pip keeps in its cache is not fetched again."


def _draw_outcome(box: Any, context: bpy.types.Context) -> None:
    outcome = runtime_job.outcome()
    status = runtime_place.status()
    sentences = [each for each in outcome.sentences if status is None or each != status.sentence]
    if sentences:
        column = box.column(align=True)
        column.alert = outcome.failed
        draw_sentences(column, context, sentences, "ERROR" if outcome.failed else "INFO")


def _draw_choices(box: Any, context: bpy.types.Context, preferences: Any) -> None:
    column = box.column(align=True)
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(preferences, "device")
    column.prop(preferences, "python")
    column.prop(preferences, "wheels")
    row = column.row(align=True)
    row.active = not runtime_place.is_shared()
    row.prop(preferences, "runtime_folder")
    if runtime_place.is_shared():
        sentence = f"{runtime_place.FOLDER_VARIABLE} is set: the environment in {runtime_place.folder()} is used."
        draw_sentences(box.column(align=True), context, (sentence,), "INFO")


def _draw_own(box: Any, context: bpy.types.Context, preferences: Any) -> None:
    box.label(text="Or an interpreter or command of mine")
    row = box.split(factor=0.8, align=True)
    row.prop(preferences, "sidecar", text="", placeholder="/path/to/python, or ssh gpu-box /path/to/python -I -m …")
    row.operator(buttons.CTEG_OT_runtime_try.bl_idname, icon="VIEWZOOM")
    if named := os.environ.get(COMMAND_VARIABLE, "").strip():
        draw_sentences(
            box.column(align=True), context, (f"{COMMAND_VARIABLE} is set, and is used instead: {named}",), "INFO"
        )
    told = buttons.told()
    if told.sentences:
        column = box.column(align=True)
        column.alert = told.failed
        draw_sentences(column, context, told.sentences, "ERROR" if told.failed else "INFO")


