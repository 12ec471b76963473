"""Faces as numbers: models in the FLAME layout, expression spaces and rig channels.

The lowest layer: numpy only. It knows nothing of Blender (``bpy``) or of the network (``torch``).
"""
