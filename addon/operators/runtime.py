"""Setting the network's environment up, and taking it away: each button starts a process and lets a timer listen."""

from __future__ import annotations

from typing import Any

import bpy

from .. import jobs, preferences, runtime_job, runtime_place, runtime_trial
from ..errors import CtegError
from ..redraw import redraw_preferences, redraw_sidebars
from ..runtime.errors import SetupError
from ..runtime.states import State, Status, keys_of
from ..runtime.wish import Wish
from ..runtime_job import Outcome
from ..sidecar_command import is_own_command

_TICK_SECONDS = 0.2
_LABELS = {
    State.NOT_INSTALLED: "Set Up",
    State.INSTALLING: "Being Set Up",
    State.READY: "Check",
    State.BROKEN: "Repair",
    State.UPDATE: "Update",
}
_NO_NETWORK = {
    State.NOT_INSTALLED: "The network is not set up yet.",
    State.INSTALLING: "The network is being set up.",
    State.BROKEN: "The network's environment is broken.",
    State.UPDATE: "The network's environment is of another version.",
}


def wish() -> Wish:
    """Return what the user chose."""
    return preferences.wish()


def label_of(status: Status) -> str:
    """Return what the one button is called in a state."""
    known = status.marker
    if status.state is State.READY and known is not None and known.device != wish().device and status.is_writable:
        return "Apply"
    return _LABELS[status.state]


def needs_packages(status: Status) -> bool:
    """Return whether bringing an environment up to date fetches anything."""
    known = status.marker
    if known is None:
        return True
    wanted = keys_of(runtime_place.recipe(), known.build)
    return any(known.steps.get(step) != wanted[step] for step in ("venv", "packages", "encoder"))


def why_not_set_up() -> str | None:
    """Return why the environment cannot be set up, repaired or checked now; None if it can."""
    status = runtime_place.status()
    if status is None:
        return "There is no folder to set it up in"
    if reason := _why_busy(status):
        return reason
    try:
        runtime_place.recipe()
    except SetupError as error:
        return str(error).rstrip(".")
    if status.state is State.READY:
        return None
    if not status.is_writable:
        return status.sentence.rstrip(".")
    if wish().wheels is None and not bpy.app.online_access and not (
        status.state is State.UPDATE and not needs_packages(status)
    ):
        return why_offline().rstrip(".")
    return None


def why_no_network() -> tuple[str, str] | None:
    """Return what to press in the preferences, and why; None where the network can run or is of the user's own making.

    In a checkout there is no page in the preferences to press it on.
    """
    status = runtime_place.status()
    if status is None or status.state is State.READY or preferences.of_addon() is None:
        return None
    if is_own_command(preferences.sidecar_command_line()):
        return None
    return label_of(status), _NO_NETWORK[status.state]


def why_not_remove() -> str | None:
    """Return why the environment cannot be removed now; None if it can."""
    status = runtime_place.status()
    if status is None or status.marker is None:
        return "Nothing was set up"
    if not status.is_writable:
        return f"You may not change {status.place.folder}: ask who set it up"
    return _why_busy(status)


def why_offline() -> str:
    """Return why nothing may be fetched, in a sentence; empty where it may."""
    if bpy.app.online_access:
        return ""
    return (
        "Blender is set to work offline: allow online access in Preferences, System, Network (or start Blender with "
        "--online-mode), or choose a folder of wheels."
    )


def told() -> Outcome:
    """Return what the user's own command answered."""
    return runtime_trial.outcome()


class _Button(bpy.types.Operator):
    """What the buttons share: why they are off, and who listens."""

    @classmethod
    def _why_not(cls) -> str | None:
        return None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = cls._why_not()
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def _follow(self) -> Any:
        """Let a timer listen in the interface; elsewhere wait until it is done."""
        if not bpy.app.background:
            follow()
            return {"FINISHED"}
        while runtime_job.tick(_TICK_SECONDS):
            pass
        for sentence in runtime_job.outcome().sentences:
            self.report({"ERROR"} if runtime_job.outcome().failed else {"INFO"}, sentence)
        return {"CANCELLED"} if runtime_job.outcome().failed else {"FINISHED"}


class CTEG_OT_runtime_set_up(_Button):
    """Make, repair, update or check the environment that the network runs in; what is right stays as it is"""

    bl_idname = "cteg.runtime_set_up"
    bl_label = "Set Up"

    @classmethod
    def _why_not(cls) -> str | None:
        return why_not_set_up()

    def execute(self, context):  # type: ignore[no-untyped-def]
        # What it would replace must not be in use.
        jobs.close_shared_client()
        status = runtime_place.status()
        try:
            runtime_job.start(status.place, runtime_place.recipe(), wish())
        except SetupError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return self._follow()


class CTEG_OT_runtime_cancel(_Button):
    """Stop; what is finished is kept for the next time"""

    bl_idname = "cteg.runtime_cancel"
    bl_label = "Cancel"

    @classmethod
    def _why_not(cls) -> str | None:
        return None if runtime_job.running() is not None else "Nothing is being set up"

    def execute(self, context):  # type: ignore[no-untyped-def]
        job = runtime_job.running()
        if job is not None:
            job.cancel()
        return self._follow()


class CTEG_OT_runtime_remove(_Button):
    """Remove the environment: what the set-up made, and nothing else"""

    bl_idname = "cteg.runtime_remove"
    bl_label = "Uninstall"

    @classmethod
    def _why_not(cls) -> str | None:
        return why_not_remove()

    def invoke(self, context, event):  # type: ignore[no-untyped-def]
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):  # type: ignore[no-untyped-def]
        jobs.close_shared_client()
        try:
            runtime_job.start_removal(runtime_place.status().place)
        except SetupError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return self._follow()


class CTEG_OT_runtime_try(_Button):
    """Start the command, and show which versions answer and what they compute on"""

    bl_idname = "cteg.runtime_try"
    bl_label = "Check"

    @classmethod
    def _why_not(cls) -> str | None:
        if jobs.running_job() is not None:
            return "Wait until the lines are performed, or cancel them"
        return "It is being checked" if runtime_trial.is_running() else None

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            runtime_trial.start(preferences.sidecar_command_line())
        except CtegError as error:
            runtime_trial.note(Outcome((str(error),), failed=True))
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not bpy.app.background:
            follow()
            return {"FINISHED"}
        while runtime_trial.tick(_TICK_SECONDS):
            pass
        return {"CANCELLED"} if told().failed else {"FINISHED"}


def follow() -> None:
    """Let a timer listen to what is running."""
    if not bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.register(_on_timer, first_interval=_TICK_SECONDS)


def forget() -> None:
    """End what is running: the add-on is being switched off."""
    if bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.unregister(_on_timer)
    runtime_job.close()
    runtime_trial.close()


def _on_timer() -> float | None:
    goes_on = runtime_job.tick() | runtime_trial.tick()
    redraw_preferences()
    if not goes_on:
        # The panels lead here for as long as the network cannot run.
        redraw_sidebars()
    return _TICK_SECONDS if goes_on else None


def _why_busy(status: Status) -> str | None:
    if runtime_job.running() is not None:
        return "A set-up is running"
    if status.state is State.INSTALLING:
        return "Another Blender is setting it up"
    if jobs.running_job() is not None:
        return "Wait until the lines are performed, or cancel them"
    return None


RUNTIME: tuple[type, ...] = (
    CTEG_OT_runtime_set_up,
    CTEG_OT_runtime_cancel,
    CTEG_OT_runtime_remove,
    CTEG_OT_runtime_try,
)
