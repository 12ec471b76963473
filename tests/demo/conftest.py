"""Blender for the demo's tests, as for the add-on's."""

from tests.addon.conftest import empty_file, pytest_sessionfinish, pytest_unconfigure

__all__ = ["empty_file", "pytest_sessionfinish", "pytest_unconfigure"]
