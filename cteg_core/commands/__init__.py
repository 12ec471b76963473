"""Handlers of ``python -m cteg_core``, one subcommand a module."""
