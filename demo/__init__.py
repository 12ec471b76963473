"""The demo behind ``run.py demo``: a line goes through the sidecar and the add-on's API to pictures.

Runs inside Blender's Python (``python -m demo``); ``run.py`` starts it.
"""
