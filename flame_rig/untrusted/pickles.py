"""Plain pickles (data sets, FLAME models), read without running what they name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flame_rig.untrusted.arrays import NUMPY_DATA
from flame_rig.untrusted.limits import Limits, RefusalError, UntrustedFileError, read_bounded
from flame_rig.untrusted.machine import Machine
from flame_rig.untrusted.vocabulary import Vocabulary

DEFAULT_LIMITS: Final = Limits()


def read_pickle(path: Path, vocabulary: Vocabulary = NUMPY_DATA, limits: Limits = DEFAULT_LIMITS) -> object:
    """Return the value in a pickle file of any protocol.

    Python 2's byte strings become text by Latin-1 (protocol 0's must be ASCII). Arrays are numpy's; ``OrderedDict``
    becomes a ``dict``; what ``vocabulary`` lets pass as a stand-in becomes a
    :class:`~flame_rig.untrusted.stand_ins.StandIn`.

    Raises:
        UntrustedFileError: the pickle is damaged, too large, or names what ``vocabulary`` does not hold.
        OSError: the file cannot be read.
    """
    return parse_pickle(read_bounded(path, limits.file_bytes), str(path), vocabulary, limits)


def parse_pickle(
    data: bytes, source: str, vocabulary: Vocabulary = NUMPY_DATA, limits: Limits = DEFAULT_LIMITS
) -> object:
    """Return the value in a pickle; ``source`` names it in the message of UntrustedFileError."""
    try:
        return Machine(vocabulary, limits).run(data)
    except RefusalError as refusal:
        raise UntrustedFileError(f"{source} was refused: {refusal}.") from refusal
