"""Setting up the Python environment that the network runs in.

This package stands alone: the standard library and its own modules are all that it imports, so that the add-on, the
process that does the work (``__main__``) and ``run.py`` share it. Nothing here knows of Blender, and nothing names a
package index: pip's own settings decide where packages come from.
"""
