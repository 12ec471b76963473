"""How a scene is rendered: Cycles on the processor, or Workbench in the head's own colours."""

from __future__ import annotations

from typing import Any, Final

import bpy

STUDIO_LIGHT: Final = "paint.sl"
"""The one of Blender's own studio lights that leaves skin its colour."""
_CYCLES_QUICK_BOUNCES: Final = 3


def use_cycles(scene: Any, size: tuple[int, int], samples: int, *, denoised: bool = True, quick: bool = False) -> None:
    """Render with Cycles on the processor.

    Args:
        scene: the scene (its engine's settings have no types).
        size: width and height, pixels.
        samples: paths a pixel.
        denoised: clean the picture with OpenImageDenoise.
        quick: save on bounces and on the denoiser's own preparation, for a video.
    """
    _set_size(scene, size)
    scene.render.engine = "CYCLES"
    scene.render.use_persistent_data = True
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = denoised
    if denoised:
        cycles.denoiser = "OPENIMAGEDENOISE"
        cycles.denoising_prefilter = "NONE" if quick else "FAST"
    if quick:
        cycles.max_bounces = _CYCLES_QUICK_BOUNCES


def use_eevee(scene: Any, size: tuple[int, int], samples: int) -> None:
    """Render with EEVEE, which needs OpenGL: a graphics card, or slowly Mesa's software."""
    _set_size(scene, size)
    scene.render.engine = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
    scene.eevee.taa_render_samples = samples


def use_workbench(scene: Any, size: tuple[int, int]) -> None:
    """Render with Workbench, lit softly, in the colours of the mesh's vertices."""
    _set_size(scene, size)
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.display.render_aa = "8"
    shading = scene.display.shading
    shading.light = "STUDIO"
    shading.studio_light = STUDIO_LIGHT
    shading.show_specular_highlight = False
    shading.color_type = "VERTEX"


def write_png(scene: Any, *, alpha: bool = False) -> None:
    """Have the scene's renders written as PNG."""
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA" if alpha else "RGB"


def write_h264(scene: Any) -> None:
    """Have the scene's animation written as one MP4 of the exact name in ``scene.render.filepath``."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        # From 5.0 on the video formats can be chosen only after this.
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    settings.color_mode = "RGB"
    scene.render.use_file_extension = False
    ffmpeg = scene.render.ffmpeg
    ffmpeg.format = "MPEG4"
    ffmpeg.codec = "H264"
    ffmpeg.constant_rate_factor = "HIGH"
    ffmpeg.ffmpeg_preset = "GOOD"
    ffmpeg.audio_codec = "NONE"


def _set_size(scene: Any, size: tuple[int, int]) -> None:
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    # AgX and Filmic, the defaults, grey out skin and the colours that the head was made in.
    scene.view_settings.view_transform = "Standard"
