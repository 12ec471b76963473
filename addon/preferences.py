"""What is set once for all files."""

import bpy


class CTEG_preferences(bpy.types.AddonPreferences):
    """The add-on's page in Blender's preferences."""

    bl_idname = __package__

    sidecar: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Sidecar",
        description=(
            "Command of the process that holds the network, such as /path/to/python -m cteg_core serve. "
            "The environment variable CTEG_SIDECAR wins over it"
        ),
    )

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "sidecar")


def sidecar_command_line() -> str:
    """Return the sidecar's command as the user wrote it; empty where the add-on runs without preferences."""
    addon = bpy.context.preferences.addons.get(__package__ or "")
    return str(addon.preferences.sidecar) if addon is not None and addon.preferences is not None else ""
