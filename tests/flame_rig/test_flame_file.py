"""FLAME files of every edition come through to the last bit; everything else gets one sentence."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flame_rig.flame_file import EDITIONS, FlameFileError, read_flame
from flame_rig.flame_file.editions import EditionEvidence, tell_edition
from flame_rig.flame_model import FlameModel, posed_vertices
from tests.fakes.flame_files import (
    EXPRESSIONS,
    FACES,
    IDENTITIES,
    JOINTS,
    VERTICES,
    Arrays,
    byte_string,
    chumpy_array,
    chumpy_selection,
    csc_parts,
    flame_arrays,
    importable,
    like_2019,
    old_array,
    old_dictionary,
    old_object,
    old_pickle,
    write_npz,
    write_old_pickle,
    write_open_pickle,
)
from tests.fakes.pickle_code import call, number, numbers, write_checkpoint

SMALL = 40  # vertices, where the true sizes do not matter


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return flame_arrays()


@pytest.fixture(scope="module")
def old_file(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_old_pickle(tmp_path_factory.mktemp("old") / "generic_model.pkl", arrays)


@pytest.fixture(scope="module")
def open_file(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_open_pickle(tmp_path_factory.mktemp("open") / "flame2023_Open.pkl", arrays)


def small(seed: int = 0, **changes: Any) -> Arrays:
    """Arrays of a model of a few vertices, 2 + 3 components given by ``identity_components``."""
    return flame_arrays(seed, identities=300, expressions=3, vertices=SMALL) | changes


def assert_same(model: FlameModel, arrays: Arrays, split: int = IDENTITIES) -> None:
    np.testing.assert_array_equal(model.v_template, arrays["v_template"])
    np.testing.assert_array_equal(model.faces, arrays["f"])
    np.testing.assert_array_equal(model.shapedirs, arrays["shapedirs"][:, :, :split])
    np.testing.assert_array_equal(model.exprdirs, arrays["shapedirs"][:, :, split:])
    np.testing.assert_array_equal(model.posedirs, arrays["posedirs"])
    np.testing.assert_array_equal(model.joint_regressor, arrays["J_regressor"])
    np.testing.assert_array_equal(model.weights, arrays["weights"])
    assert model.parents.tolist() == [-1, 0, 1, 1, 1]
    assert model.v_template.dtype == model.exprdirs.dtype == np.float64


# Files of the true sizes.


def test_a_chumpy_pickle_of_python_2_comes_through(old_file: Path, arrays: Arrays) -> None:
    found = read_flame(old_file)
    assert_same(found.model, arrays)
    assert found.model.v_template.shape == (VERTICES, 3)
    assert found.model.faces.shape == (FACES, 3)
    assert found.model.shapedirs.shape == (VERTICES, 3, IDENTITIES)
    assert found.model.exprdirs.shape == (VERTICES, 3, EXPRESSIONS)
    assert found.model.posedirs.shape == (VERTICES, 3, 36)
    assert found.model.joint_regressor.shape == (JOINTS, VERTICES)
    assert found.model.expr_names[0] == "Exp000"
    assert found.model.expr_names[-1] == "Exp099"


def test_the_open_edition_comes_through_and_is_told_by_its_metadata(open_file: Path, arrays: Arrays) -> None:
    found = read_flame(open_file)
    assert_same(found.model, arrays)
    assert found.edition is EDITIONS["2023-open"]
    assert found.model.space == "flame-2023-open"
    assert "supr_expression_metadata" in found.told_by
    assert found.notes == ()


def test_an_npz_comes_through(arrays: Arrays, tmp_path: Path) -> None:
    path = write_npz(tmp_path / "FLAME_NEUTRAL.npz", {**arrays, "supr_expression_metadata": np.array("SUPR_head")})
    found = read_flame(path)
    assert_same(found.model, arrays)
    assert found.edition.id == "2023-open"


def test_a_read_model_is_one_that_moves(open_file: Path) -> None:
    model = read_flame(open_file).model
    pose = np.zeros((1, JOINTS, 3))
    np.testing.assert_allclose(posed_vertices(model, np.zeros((1, 50)), pose)[0], model.v_template, atol=1e-12)
    pose[0, 2, 0] = 0.3
    assert np.abs(posed_vertices(model, np.zeros((1, 50)), pose)[0] - model.v_template).max() > 1e-3


def test_reading_imports_neither_chumpy_nor_scipy(old_file: Path) -> None:
    code = (
        "import sys; from flame_rig.flame_file import read_flame; read_flame(sys.argv[1]); "
        "assert not {'chumpy', 'scipy', 'pickle5'} & {name.partition('.')[0] for name in sys.modules}"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code, str(old_file)], check=True, cwd=root, timeout=120)


# Every way to write the same numbers.


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_python_3_comes_through(protocol: int, tmp_path: Path) -> None:
    arrays = small()
    assert_same(read_flame(write_open_pickle(tmp_path / "a.pkl", arrays, protocol=protocol)).model, arrays)


@pytest.mark.parametrize("compressed", [False, True], ids=["stored", "compressed"])
@pytest.mark.parametrize("sparse_inside", [False, True], ids=["dense", "scipy object"])
def test_every_npz_comes_through(sparse_inside: bool, compressed: bool, tmp_path: Path) -> None:
    arrays = small()
    path = write_npz(tmp_path / "a.npz", arrays, sparse_inside, compressed)
    assert_same(read_flame(path).model, arrays)


def test_single_precision_comes_through(tmp_path: Path) -> None:
    arrays = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in small().items()}
    model = read_flame(write_npz(tmp_path / "a.npz", arrays)).model
    np.testing.assert_array_equal(model.exprdirs, arrays["shapedirs"][:, :, 300:].astype(np.float64))
    np.testing.assert_allclose(model.joint_regressor.sum(axis=1), 1.0, atol=1e-12)


def test_a_selection_of_chumpy_comes_through(tmp_path: Path) -> None:
    arrays = small()
    path = write_old_pickle(tmp_path / "a.pkl", arrays, v_template=chumpy_selection(arrays["v_template"]))
    assert_same(read_flame(path).model, arrays)


@pytest.mark.parametrize("index", [-1, 10**6])
def test_a_selection_of_what_is_not_there_is_refused(index: int, tmp_path: Path) -> None:
    arrays = small()
    state = {
        "a": chumpy_array(arrays["v_template"].ravel()),
        "idxs": old_array(np.full(arrays["v_template"].size, index)),
        "preferred_shape": numbers(*arrays["v_template"].shape),
    }
    path = write_old_pickle(tmp_path / "a.pkl", arrays, v_template=old_object("chumpy.reordering.Select", state))
    with pytest.raises(FlameFileError, match="its v_template selects elements that are not there"):
        read_flame(path)


@pytest.mark.parametrize("kind", ["csc", "csr", "coo"])
def test_every_sparse_kind_comes_through(kind: str, tmp_path: Path) -> None:
    arrays = small()
    dense = arrays["J_regressor"]
    rows, columns = np.nonzero(dense)
    parts: dict[str, Any] = {"data": dense[rows, columns], "row": rows, "col": columns}
    if kind == "csc":
        parts = csc_parts(dense)
    elif kind == "csr":
        parts = csc_parts(dense.T)
    state = {name: old_array(part) for name, part in parts.items() if isinstance(part, np.ndarray)}
    code = old_object(f"scipy.sparse.{kind}.{kind}_matrix", state | {"_shape": numbers(*dense.shape)})
    assert_same(read_flame(write_old_pickle(tmp_path / "a.pkl", arrays, J_regressor=code)).model, arrays)


@pytest.mark.parametrize(
    ("components", "stated", "identities"),
    [(400, None, 300), (350, None, 300), (150, None, 100), (20, None, 10), (60, 50, 50), (100, 0, 0)],
)
def test_fewer_components_are_split_as_their_makers_do(
    components: int, stated: int | None, identities: int, tmp_path: Path
) -> None:
    arrays = flame_arrays(0, 0, components, SMALL)
    found = read_flame(write_npz(tmp_path / "a.npz", arrays), identity_components=stated)
    assert_same(found.model, arrays, identities)
    assert any(f"{components} components" in note for note in found.notes) == (components not in (400, 60, 100))


# Editions.


def evidence(**changes: Any) -> EditionEvidence:
    arrays = small()
    base = EditionEvidence("0" * 64, frozenset(arrays), arrays["v_template"], arrays["shapedirs"][:, :, 300:])
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("sha256", "edition"),
    [
        ("e75a0990728ba038c7da2a420ae4396f7ddd7781366c13026066c5b24f127623", "2023-open"),
        ("8fb1af0db1abb51053ead8fd1f2624a63d01c9602f4a4fb4ea23bd2c82017fa0", "2023"),
        ("b291fcd1" + "0" * 56, "2023-no-jaw"),
        ("efcd14cc4a69f3a3d9af8ded80146b5b6b50df3bd74cf69108213b144eba725b", "2020"),
    ],
)
def test_published_files_are_told_by_their_hash(sha256: str, edition: str) -> None:
    told, reason = tell_edition(evidence(sha256=sha256))
    assert told is EDITIONS[edition]
    assert "byte for byte" in reason


def test_the_open_template_is_told_by_its_measures() -> None:
    corners = np.array([(-0.1098, -0.1872, -0.1532), (0.1078, 0.1321, 0.0751), (0.0, 0.0, 0.0)])
    told, _ = tell_edition(evidence(v_template=corners))
    assert told is EDITIONS["2023-open"]
    told, _ = tell_edition(evidence(v_template=corners * 1.01))
    assert told is None


def test_flame_2019_is_told_by_expressions_that_leave_the_back_of_the_head_alone(
    arrays: Arrays, tmp_path: Path
) -> None:
    found = read_flame(write_old_pickle(tmp_path / "FLAME2020.pkl", like_2019(arrays)))
    assert found.edition is EDITIONS["2019"]
    assert found.model.space == "flame-2019"
    assert "at rest" in found.told_by


def test_a_file_that_does_not_tell_has_a_space_of_its_own(tmp_path: Path) -> None:
    one, same, other = (
        read_flame(write_old_pickle(tmp_path / f"{name}.pkl", small(seed)))
        for name, seed in (("flame2023_Open", 0), ("FLAME2020", 0), ("b", 1))
    )
    assert one.edition.id == "unknown"
    assert one.model.space == same.model.space != other.model.space
    assert one.model.space.startswith("flame-unknown-")
    assert any("edition is not known" in note for note in one.notes)


def test_the_user_can_say_which_edition_it_is_but_not_against_the_content(tmp_path: Path) -> None:
    silent = write_old_pickle(tmp_path / "a.pkl", small())
    assert read_flame(silent, edition="2020").model.space == "flame-2020"
    told = write_open_pickle(tmp_path / "b.pkl", small())
    assert read_flame(told, edition="2023-open").model.space == "flame-2023-open"
    with pytest.raises(FlameFileError, match=r"it is FLAME 2023 Open .* not FLAME 2020; state no edition"):
        read_flame(told, edition="2020")
    with pytest.raises(FlameFileError, match="no FLAME edition '2021'; the editions are 2019, 2020"):
        read_flame(silent, edition="2021")


def test_every_edition_has_its_own_space_and_says_what_is_allowed() -> None:
    assert len({edition.space for edition in EDITIONS.values()}) == len(EDITIONS)
    for edition in EDITIONS.values():
        assert ("CC BY 4.0" in edition.licence) == (edition.id == "2023-open")
        assert "10.1145/3130800.3130813" in edition.citation


# What is no FLAME model: one sentence each.


def sentence(path: Path, **options: Any) -> str:
    with pytest.raises(FlameFileError) as caught:
        read_flame(path, **options)
    message = str(caught.value)
    assert path.name in message
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty; download it again"),
        (b"  \n<!DOCTYPE html><html><body>Sign in</body></html>", "it is a web page; the download needs you"),
        (b"<HTML>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:e75a\nsize 53\n", "Git LFS"),
        (b"%PDF-1.7 licence", "it is a PDF"),
        (b"v 0.1 0.2 0.3\nv 0 0 0\nf 1 2 3\n", "a mesh without a model"),
        (b"\x1f\x8b\x08\x00rest", "a gzip archive; unpack it"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "old PyTorch saved; import an EmoAva checkpoint"),
        (b"PK\x03\x04 and then nothing", "its zip is damaged or cut off"),
        (b"Dear reader, this is text.", "neither a pickle nor an .npz"),
        (b"\xde\xad\xbe\xef" * 99, "neither a pickle nor an .npz"),
        (pickle.dumps([1, 2]), "holds a list and no model"),
        (pickle.dumps({"v_template": 1})[:-4], "was refused"),
    ],
)
def test_files_of_other_kinds(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(content)
    assert words in sentence(path)


@pytest.mark.parametrize(
    ("vertices", "joints", "words"),
    [
        (6890, 24, "it is SMPL, a body"),
        (6890, 52, "it is SMPL+H, a body"),
        (10475, 55, "it is SMPL-X, a body"),
        (778, 16, "it is MANO, a hand"),
        (100, 7, "100 vertices and 7 joints where FLAME has 5023 and 5"),
    ],
)
@pytest.mark.parametrize("suffix", ["pkl", "npz"])
def test_models_of_other_bodies(vertices: int, joints: int, words: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    arrays = {"v_template": np.zeros((vertices, 3)), "kintree_table": np.zeros((2, joints), np.int64)}
    if suffix == "pkl":
        path.write_bytes(b"\x80\x02" + old_dictionary({name: old_array(a) for name, a in arrays.items()}) + b".")
    else:
        write_npz(path, arrays)
    assert words in sentence(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"lmk_face_idx": 1, "lmk_b_coords": 2}, "landmark embedding"),
        ({"MU": 1, "PC": 2, "specMU": 3}, "texture space"),
        ({"mean": 1, "tex_dir": 2}, "texture space"),
        ({"face": 1, "left_eyeball": 2, "right_eyeball": 3}, "FLAME's vertex masks"),
        ({"x": 1}, "it has no v_template and no f and no"),
    ],
)
@pytest.mark.parametrize("suffix", ["pkl", "npz"])
def test_flames_side_files(content: dict[str, int], words: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"side.{suffix}"
    arrays = {name: np.full(3, value) for name, value in content.items()}
    if suffix == "pkl":
        path.write_bytes(pickle.dumps(arrays))
    else:
        np.savez(path, **arrays)
    assert words in sentence(path)


def test_checkpoints_and_zips_of_downloads(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "best.chkpt", b"}", {})
    assert "a PyTorch checkpoint; import an EmoAva checkpoint with" in sentence(checkpoint)
    download = tmp_path / "FLAME2023Open.zip"
    with zipfile.ZipFile(download, "w") as archive:
        archive.writestr("FLAME2023Open/flame2023_Open.pkl", b"")
    assert "unpack it and choose 'FLAME2023Open/flame2023_Open.pkl'" in sentence(download)
    other = tmp_path / "photos.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.jpg", b"")
    assert "a zip without arrays" in sentence(other)


# Damaged and hostile models.

DAMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "a NaN": ({"v_template": np.full((SMALL, 3), np.nan)}, "v_template has a NaN"),
    "another template": ({"v_template": np.zeros((SMALL + 1, 3))}, "shapedirs has shape"),
    "flat shapedirs": ({"shapedirs": np.zeros((SMALL * 3, 400))}, "shapedirs has shape"),
    "flat posedirs": ({"posedirs": np.zeros((SMALL, 3, 27))}, r"posedirs has shape [40, 3, 27] instead of"),
    "faces outside": ({"f": np.full((4, 3), SMALL, np.uint32)}, "they must lie in 0 to"),
    "negative faces": ({"f": np.full((4, 3), -1, np.int64)}, "no vertex numbers"),
    "no faces": ({"f": np.zeros((0, 3), np.int64)}, "no vertex numbers"),
    "weights that miss 1": ({"weights": np.full((SMALL, 5), 0.3)}, "a row of its weights sums to 1"),
    "negative weights": ({"weights": np.tile([2.0, -1.0, 0, 0, 0], (SMALL, 1))}, "negative skinning weights"),
    "another tree": ({"kintree_table": np.array([[-1, 0, 1, 2, 3], range(5)])}, "its joints have the parents"),
    "a flat tree": ({"kintree_table": np.arange(10)}, "no table"),
    "text": ({"weights": np.array([["a"]])}, "was refused"),
    "odd components": ({"shapedirs": np.zeros((SMALL, 3, 33))}, "say so with identity_components"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_models_that_disagree_with_themselves(damage: str, tmp_path: Path) -> None:
    changes, words = DAMAGES[damage]
    assert words in sentence(write_npz(tmp_path / "a.npz", small(**changes)))


@pytest.mark.parametrize("name", ["shapedirs", "J_regressor", "weights", "posedirs", "f", "kintree_table"])
def test_a_missing_array_is_named(name: str, tmp_path: Path) -> None:
    arrays = small()
    del arrays[name]
    assert name in sentence(write_npz(tmp_path / "a.npz", arrays))


SPARSE_DAMAGES = {
    "entries outside": {"indices": np.full(43, 99, np.int32)},
    "too few starts": {"indptr": np.zeros(3, np.int32)},
    "starts that fall": {"indptr": np.r_[0, 43, np.zeros(38), 43].astype(np.int32)},
    "fractional rows": {"indices": np.full(43, 0.5)},
}


@pytest.mark.parametrize("damage", SPARSE_DAMAGES)
def test_sparse_matrices_that_lie(damage: str, tmp_path: Path) -> None:
    arrays = small()
    parts = csc_parts(arrays["J_regressor"]) | SPARSE_DAMAGES[damage]
    state = {name: old_array(parts[name]) for name in ("data", "indices", "indptr")}
    code = old_object("scipy.sparse.csc.csc_matrix", state | {"_shape": numbers(5, SMALL)})
    assert "sparse matrix" in sentence(write_old_pickle(tmp_path / "a.pkl", arrays, J_regressor=code))


def test_a_sparse_matrix_that_claims_a_huge_shape_is_refused_before_it_is_made(tmp_path: Path) -> None:
    state = {"data": old_array(np.zeros(0)), "indices": old_array(np.zeros(0, np.int32))}
    state |= {"indptr": old_array(np.zeros(1, np.int32)), "_shape": numbers(2_000_000_000, 2_000_000_000)}
    code = old_object("scipy.sparse.csc.csc_matrix", state)
    assert "whose shape is none" in sentence(write_old_pickle(tmp_path / "a.pkl", small(), J_regressor=code))


def test_wrappings_without_end_are_refused(tmp_path: Path) -> None:
    arrays = small()
    code = chumpy_array(arrays["weights"])
    for _ in range(12):
        code = old_object("chumpy.ch.Ch", {"x": code})
    assert "wrapped more than" in sentence(write_old_pickle(tmp_path / "a.pkl", arrays, weights=code))


@pytest.mark.parametrize(
    "code",
    [
        call("os.system", byte_string(b"touch victim")),
        call("builtins.eval", byte_string(b"1")),
        call("numpy.load", byte_string(b"a.npy")),
        old_object("subprocess.Popen", {"args": number(1)}),
    ],
    ids=["os.system", "eval", "numpy.load", "Popen"],
)
@pytest.mark.parametrize("inside", ["pickle", "npz"])
def test_a_model_that_wants_to_run_something_is_refused(code: bytes, inside: str, tmp_path: Path) -> None:
    if inside == "pickle":
        path = write_old_pickle(tmp_path / "a.pkl", small(), weights=code)
    else:
        path = write_npz(tmp_path / "a.npz", small(weights=np.array([1], dtype=object)))
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        header = entries["weights.npy"][: entries["weights.npy"].index(b"\n") + 1]
        entries["weights.npy"] = header + b"\x80\x02" + code + b"."
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in entries.items():
                archive.writestr(name, data)
    assert "which a FLAME model has no need of; download it again" in sentence(path)


def test_an_npz_whose_entry_unpacks_to_more_than_it_may_is_not_unpacked(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", small(weights=np.zeros(300 << 20, np.uint8)), compressed=True)
    assert path.stat().st_size < 2 << 20
    assert "unpack to more than" in sentence(path)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "SMPLX_NEUTRAL.pkl"
    with path.open("wb") as file:
        file.write(b"\x80\x02")
        file.truncate(544 << 20)
    assert "544 MiB where a FLAME model has about 51" in sentence(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 0.999))
def test_a_file_that_was_cut_off_is_refused_wherever_it_was_cut(share: float, tmp_path: Path) -> None:
    for name, whole in (("a.pkl", old_pickle(small())), ("a.npz", _npz_bytes(tmp_path))):
        path = tmp_path / name
        path.write_bytes(whole[: int(share * len(whole))])
        sentence(path)


def _npz_bytes(folder: Path) -> bytes:
    return write_npz(folder / "whole.npz", small()).read_bytes()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0.0, 0.9999), flip=st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_read_but_never_crashes(place: float, flip: int, tmp_path: Path) -> None:
    whole = bytearray(old_pickle(small()))
    whole[int(place * len(whole))] ^= flip
    path = tmp_path / "a.pkl"
    path.write_bytes(whole)
    with contextlib.suppress(FlameFileError):
        read_flame(path)


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_flame(tmp_path / "nowhere.pkl")


def test_names_decide_nothing(open_file: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "FLAME2020.npz"
    shutil.copy(open_file, renamed)
    assert read_flame(renamed).edition.id == "2023-open"


def test_scipys_own_matrices_come_through(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="the oracle for sparse pickles")
    arrays = small()
    for kind in ("csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "coo_array"):
        content = {**arrays, "J_regressor": getattr(sparse, kind)(arrays["J_regressor"])}
        path = tmp_path / f"{kind}.pkl"
        path.write_bytes(pickle.dumps(content))
        assert_same(read_flame(path).model, arrays)


def test_the_fake_module_is_gone_afterwards() -> None:
    with importable("chumpy.ch", "Ch"):
        assert "chumpy.ch" in sys.modules
    assert "chumpy.ch" not in sys.modules
