"""What the set-up raises when the user has to do something."""

from __future__ import annotations


class SetupError(Exception):
    """What failed and what to do, in sentences for the user."""
