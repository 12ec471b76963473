"""What every part of the add-on raises when the user has to do something."""

from __future__ import annotations


class CtegError(Exception):
    """The message is a sentence for the user: what failed, where, and what to do."""
