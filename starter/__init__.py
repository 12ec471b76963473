"""What ``run.py`` does: makes the environments, then runs the demo or the tests in them.

Standard library only; it runs before anything is installed.
"""
