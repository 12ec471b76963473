"""Trying the sidecar's command: who answers, with which versions, and what it computes on. Needs no bpy."""

from __future__ import annotations

from contextlib import suppress

from .deadlines import Deadlines
from .runtime_job import Outcome
from .sidecar import SidecarClient, sidecar_command
from .under_way import ReadUnderWay

_PROBE = "Hello."

_client: SidecarClient | None = None
_under_way: ReadUnderWay | None = None
_outcome = Outcome(())


def start(preference: str, deadlines: Deadlines | None = None) -> None:
    """Start the command that is set, beside the sidecar that may be running; raises SidecarError.

    Args:
        preference: the user's own command; see ``sidecar.sidecar_command``.
        deadlines: when its silence counts as a hang.
    """
    global _client, _under_way
    close()
    _client = SidecarClient(sidecar_command(preference), deadlines)
    _under_way = _client.submit_read([_PROBE])


def is_running() -> bool:
    """Return whether an answer is waited for."""
    return _client is not None


def tick(wait: float = 0.0) -> bool:
    """Take in what it answers; return whether there is more to wait for."""
    if _client is None or _under_way is None:
        return False
    _client.poll(wait)
    if not _under_way.is_over:
        return True
    answer = Outcome(_answer(_client)) if _under_way.error is None else Outcome((str(_under_way.error),), failed=True)
    close()
    note(answer)
    return False


def outcome() -> Outcome:
    """Return what the last one answered."""
    return _outcome


def note(outcome: Outcome) -> None:
    """Keep what is to be shown."""
    global _outcome
    _outcome = outcome


def close() -> None:
    """End what is being tried, and forget what the last one answered."""
    global _client, _under_way
    if _client is not None:
        with suppress(OSError):
            _client.close()
    _client, _under_way = None, None
    note(Outcome(()))


def _answer(client: SidecarClient) -> tuple[str, ...]:
    versions, loaded = client.versions, client.loaded
    assert versions is not None
    assert loaded is not None
    packages = ", ".join(f"{name} {version}" for name, version in versions.packages.items() if version)
    return (
        f"It works: CTEG {versions.version}{f', {packages}' if packages else ''}.",
        f"It computes on {loaded.device or 'a device it does not name'}, with the checkpoint {loaded.checkpoint}.",
    )
