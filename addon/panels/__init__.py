"""The sidebar tab: four panels in the order of the work. They show and ask; what happens is elsewhere."""

from . import bake, character, dialogue, performance

__all__ = ["CLASSES"]

CLASSES = (*character.CLASSES, *dialogue.CLASSES, *performance.CLASSES, *bake.CLASSES)
"""In the order of the tab."""
