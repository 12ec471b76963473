"""What the add-on can do, as functions: the interface, the command line, scripts and the demo all call these.

Every function raises :class:`CtegError` with a sentence for the user where it cannot do its work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy

from cteg_core.clip import Controls, ExpressionClip, Word
from cteg_core.dialogue import DialogueLine, LineError
from flame_rig.flame_file import FlameFile, FlameFileError, read_flame
from flame_rig.flame_model import FlameModel
from flame_rig.shaping import Shaping
from flame_rig.spaces import CTEG_HEAD_1

from . import actions, corrective_bake, jobs, preferences, preview, rig_identity, space_maps
from .actions import BakedTake, clip_of
from .baking import Placement, bake_take, move_line, remove_line, starts_of_lines, take_name
from .characters import make_animatable, register_character, report_of, set_bones, set_rig_map
from .dialogue_api import (
    add_character,
    add_line,
    apply_preset,
    bake_line,
    choose_take,
    discard_take,
    face_presets,
    import_script,
    keep_take,
    lines_of,
    more_like,
    perform_lines,
    save_preset,
    takes_of,
)
from .errors import CtegError
from .exchange import clip_of_livelink, export_livelink, load_rig_map, save_rig_map
from .history import Take
from .jobs import JobProgress
from .presets import FacePreset
from .rig import LICENCE, NOTES, READ_FROM, Rig, RigError, active_rig, build_rig, find_rig
from .shaped_channels import channels_of, scene_fps

__all__ = [
    "BakedTake",
    "Controls",
    "CtegError",
    "ExpressionClip",
    "FacePreset",
    "JobProgress",
    "Placement",
    "Rig",
    "Shaping",
    "Take",
    "Word",
    "add_character",
    "add_head",
    "add_line",
    "apply_preset",
    "bake",
    "bake_correctives",
    "bake_line",
    "bake_take",
    "bake_takes",
    "choose_take",
    "clip_of",
    "clip_of_livelink",
    "discard_take",
    "export_livelink",
    "face_presets",
    "find_rig",
    "fit_bones",
    "generate",
    "import_livelink",
    "import_script",
    "keep_take",
    "lines_of",
    "load_rig_map",
    "make_animatable",
    "more_like",
    "move_line",
    "perform",
    "perform_lines",
    "register_character",
    "remove_line",
    "report_of",
    "restore_correctives",
    "save_preset",
    "save_rig_map",
    "scene_fps",
    "set_bones",
    "set_rig_map",
    "show_preview",
    "start_job",
    "starts_of_lines",
    "stop_preview",
    "take_name",
    "takes_of",
    "use_flame_file",
]

def add_head(
    model: FlameModel | None = None,
    name: str = "CTEG Head",
    *,
    model_file: str | Path | None = None,
    edition: str | None = None,
    expressions: int | None = None,
    identities: int = 0,
) -> Rig:
    """Add a head that can perform to the scene, and make it active.

    Args:
        model: any face in the FLAME layout; None is ``model_file``'s, or else the project's own head.
        name: the name of its mesh.
        model_file: a FLAME model, ``.pkl`` or ``.npz``; its edition, which decides the expression space, and its
            licence are told by its content and stored with the head, and so is its map from the project's space
            (:mod:`.space_maps`), which takes some seconds to solve.
        edition: for a file whose content does not tell (``flame_rig.flame_file.EDITIONS``).
        expressions: how many expression components get a shape key, at most; None takes those that clips drive.
        identities: how many identity components get one, at most.
    """
    read: FlameFile | None = None
    if model is None and model_file is not None:
        read = _read_model(model_file, edition)
        model = read.model
    elif model is None:
        from flame_rig.head import build_head

        model = build_head()
    rig = build_rig(model, name, expressions=expressions, identities=identities)
    if read is not None:
        rig.mesh[LICENCE] = read.edition.licence
        rig.mesh[READ_FROM] = f"{Path(model_file or '').name}: {read.edition.name}; {read.told_by}."
        notes = list(read.notes)
        try:
            space_maps.solve_for(rig, read.model)
        except RigError as error:
            notes.append(f"It cannot perform what the project's own checkpoint makes. {error}")
        if notes:
            rig.mesh[NOTES] = " ".join(notes)
    return rig


def use_flame_file(rig: Rig | None, model_file: str | Path, edition: str | None = None) -> tuple[str, ...]:
    """Let a head or character perform clips of a FLAME model's space, such as those of an EmoAva checkpoint.

    The map between the model and the project's space is solved (some seconds) and stored with the rig.

    Args:
        rig: the head; None is the active one, or the scene's only one.
        model_file, edition: as for :func:`add_head`.

    Returns:
        Sentences about how well the two go together.
    """
    rig = rig or _active_rig()
    if rig.space != CTEG_HEAD_1.id:
        raise RigError(f"The head “{rig.name}” is a FLAME head itself; this is for other heads and characters.")
    space_maps.solve_for(rig, _read_model(model_file, edition).model)
    return space_maps.sentences_of(rig)


def _read_model(path: str | Path, edition: str | None) -> FlameFile:
    try:
        return read_flame(path, edition)
    except FlameFileError as error:
        raise CtegError(str(error)) from None
    except OSError as error:
        raise CtegError(f"The model file {path} cannot be read ({error.strerror or error}); choose another.") from None


def fit_bones(rig: Rig | None = None) -> float:
    """Move a head's bones to where the joints of its present identity (keys ``Shape###``) are.

    Args:
        rig: the head; None is the active one, or the scene's only one.

    Returns:
        Metres that the bone which moved most was moved.
    """
    rig = rig or _active_rig()
    return rig_identity.fit_bones(rig.mesh, rig.armature) / rig.units_per_metre


def bake_correctives(
    rig: Rig | None = None, *, frame_start: int | None = None, frame_end: int | None = None
) -> BakedTake:
    """Put keyframes in the place of the drivers of a head's correctives, for export.

    Args:
        rig: the head; None is the active one, or the scene's only one.
        frame_start, frame_end: first and last frame; None are the active scene's.
    """
    rig, scene = rig or _active_rig(), _active_scene()
    start = scene.frame_start if frame_start is None else frame_start
    end = scene.frame_end if frame_end is None else frame_end
    preview.stop()
    return corrective_bake.bake_correctives(rig, start, end)


def restore_correctives(rig: Rig | None = None) -> int:
    """Let the bones drive a head's correctives again after :func:`bake_correctives`; return how many they are."""
    return corrective_bake.restore_correctives(rig or _active_rig())


def generate(
    text: str,
    *,
    seed: int = 0,
    takes: int = 1,
    controls: Controls | None = None,
    on_progress: Callable[[JobProgress], None] | None = None,
) -> list[ExpressionClip]:
    """Perform a line of dialogue and wait for its takes; nothing in the scene changes.

    Args:
        text: what is said.
        seed: of the first take; the next takes count up from it.
        takes: how many performances.
        controls: emotion, intensity and the like; None reads everything from the text.
        on_progress: told how far the work is, once a second at least.
    """
    return jobs.run_to_end(start_job(text, seed=seed, takes=takes, controls=controls), on_progress)


def start_job(text: str, *, seed: int = 0, takes: int = 1, controls: Controls | None = None) -> jobs.Job:
    """Start what :func:`generate` waits for; the sidecar starts with it if it does not run yet."""
    try:
        line = DialogueLine(text, seed=seed, controls=controls or Controls())
    except LineError as error:
        raise CtegError(str(error)) from None
    return jobs.start_generate(jobs.shared_client(preferences.sidecar_command_line()), [line], takes)


def bake(
    clip: ExpressionClip,
    rig: Rig | None = None,
    *,
    start_frame: int | None = None,
    name: str | None = None,
    to_nla: bool = False,
    extend_range: bool = True,
    scene: bpy.types.Scene | None = None,
) -> BakedTake:
    """Bake a clip into a new Action of a head, at the scene's frame rate.

    Args:
        clip: what to perform; of the head's own expression space, or of the other one of its space map.
        rig: the head; None is the active one, or the scene's only one.
        start_frame: frame of the clip's start; None is the current frame.
        name: of the Action; None makes one from the clip's text and seed.
        to_nla: add a strip to the NLA rather than set the active Action.
        extend_range: let the scene's frame range grow to hold the take.
        scene: whose frame rate, current frame and range count; None is the active scene.
    """
    scene = scene or _active_scene()
    rig = rig or _active_rig()
    preview.stop()
    channels, notes = channels_of(clip, rig, scene_fps(scene))
    start = scene.frame_current if start_frame is None else start_frame
    take = actions.bake(channels, rig, name or take_name(clip), start, clip=clip, to_nla=to_nla)
    take = replace(take, notes=(*notes, *take.notes))
    if extend_range:
        scene.frame_start = min(scene.frame_start, take.frame_start)
        scene.frame_end = max(scene.frame_end, take.frame_end)
    return take


def bake_takes(
    clips: list[ExpressionClip],
    rig: Rig | None = None,
    *,
    start_frame: int | None = None,
    to_nla: bool = False,
    scene: bpy.types.Scene | None = None,
) -> list[BakedTake]:
    """Bake several takes of one line, in their order; the first is the one that plays.

    The others stay in the file as Actions, or as strips below; arguments as for :func:`bake`.
    """
    scene = scene or _active_scene()
    start = scene.frame_current if start_frame is None else start_frame
    # What is baked last plays, or lies on top.
    baked = [bake(clip, rig, start_frame=start, to_nla=to_nla, scene=scene) for clip in reversed(clips)]
    return baked[::-1]


def perform(
    text: str,
    rig: Rig | None = None,
    *,
    seed: int = 0,
    takes: int = 1,
    controls: Controls | None = None,
    start_frame: int | None = None,
    to_nla: bool = False,
    on_progress: Callable[[JobProgress], None] | None = None,
) -> list[BakedTake]:
    """Let a head perform a line of dialogue: :func:`generate`, then :func:`bake_takes`."""
    rig = rig or _active_rig()
    clips = generate(text, seed=seed, takes=takes, controls=controls, on_progress=on_progress)
    return bake_takes(clips, rig, start_frame=start_frame, to_nla=to_nla)


def show_preview(
    clip: ExpressionClip, rig: Rig | None = None, *, start_frame: float | None = None, shaping: Shaping | None = None
) -> tuple[str, ...]:
    """Show a clip on a head without baking it, until :func:`stop_preview`, a save or a bake; nothing else changes.

    Args:
        clip: what to show.
        rig: the head; None is the active one, or the scene's only one.
        start_frame: of the clip's start; None is the current frame.
        shaping: weights of the face's halves, and smoothing.

    Returns:
        Sentences about what of it does not show.
    """
    scene = _active_scene()
    start = scene.frame_current if start_frame is None else start_frame
    preview.show(clip, rig or _active_rig(), scene, start, shaping)
    shown = preview.current()
    return shown.notes if shown is not None else ()


def stop_preview() -> None:
    """Take a preview away, if one is shown, and put everything back as it was."""
    preview.stop()


def import_livelink(
    path: Path | str,
    rig: Rig | None = None,
    *,
    fps: float | None = None,
    start_frame: int | None = None,
    to_nla: bool = False,
) -> BakedTake:
    """Bake a Live Link Face recording on a head or character.

    Args:
        path: of the CSV file.
        rig: the head; None is the active one, or the scene's only one.
        fps: frames a second that the file's timecodes count; None reads it from them.
        start_frame, to_nla: as for :func:`bake`.
    """
    clip = clip_of_livelink(path, fps)
    take = bake(clip, rig, start_frame=start_frame, name=clip.text, to_nla=to_nla)
    return replace(take, notes=(*clip.notes, *take.notes))


def _active_scene() -> bpy.types.Scene:
    scene = bpy.context.scene
    if scene is None:
        raise CtegError("Blender has no scene open.")
    return scene


def _active_rig() -> Rig:
    rig = active_rig(bpy.context)
    if rig is None:
        raise RigError("There is no head to perform: select one, or add one first.")
    return rig
