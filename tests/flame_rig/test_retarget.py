"""The map between ARKit's shapes and a FLAME model's, against a stand-in whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cteg_core.clip import ExpressionClip
from cteg_core.clip_spaces import clip_in_other_space
from flame_rig.__main__ import main
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.flame_model import FlameModel, pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.report import RetargetReport, round_trip_frames
from flame_rig.retarget import LEAST_EXPLAINED, SpaceMap, solve_space_map
from flame_rig.retarget.jaw_morph import jaw_openings, morph_residual
from flame_rig.retarget.solve import solve_from
from flame_rig.retarget.space_map import MOST_SIGMA, ShapeFit
from flame_rig.retarget.surface import nearest_on_surface, vertex_normals
from flame_rig.retarget.surface_fit import Correspondence, correspond, front_of, read_face
from flame_rig.retarget.warp import fit_bend, fit_similarity
from flame_rig.spaces import CTEG_HEAD_1, JAW_SLICE
from tests.fakes.flame_files import flame_arrays, write_npz
from tests.fakes.surrogate import Surrogate, make_surrogate, small_eyed, unbent

HEAD = build_head()
PUFF, TONGUE = CTEG_HEAD_1.index("cheekPuff"), CTEG_HEAD_1.index("tongueOut")
GAZE = [k for k, name in enumerate(CTEG_HEAD_1.names) if name.startswith("eyeLook")]


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return make_surrogate(unbent)


@pytest.fixture(scope="module")
def found(surrogate: Surrogate) -> Correspondence:
    return correspond(read_face(HEAD), read_face(surrogate.model))


@pytest.fixture(scope="module")
def space_map(found: Correspondence) -> SpaceMap:
    return solve_from(found)


@pytest.fixture(scope="module")
def other_person() -> tuple[Surrogate, SpaceMap]:
    other = make_surrogate(small_eyed, seed=1, without=("cheekPuff",), folded=True)
    return other, solve_space_map(other.model)


def true_frames(surrogate: Surrogate, frames: np.ndarray) -> np.ndarray:
    """Frames of the surrogate's space that make the same face, from the mixture it was made with."""
    mapped = np.zeros_like(frames)
    mapped[:, :50] = frames[:, :49] @ surrogate.true_coefficients[:50].T
    mapped[:, JAW_SLICE] = frames[:, JAW_SLICE]
    return mapped


def moved(model: FlameModel, frames: np.ndarray) -> np.ndarray:
    vertices = posed_vertices(model, frames[:, :50].astype(np.float64), pose_of_frames(model, frames))
    return vertices - model.v_template


# The correspondence.


def test_landmarks_lie_where_the_same_places_went(found: Correspondence) -> None:
    there = unbent(found.source.landmarks.points())
    away = np.linalg.norm(there - found.target.landmarks.points(), axis=1)
    assert away.mean() < 0.5e-3
    assert away.max() < 3e-3


def test_skin_corresponds_to_the_skin_it_was_made_from(surrogate: Surrogate, found: Correspondence) -> None:
    truth = (surrogate.kept @ HEAD.v_template[surrogate.chosen])[found.target.skin.vertices]
    got = found.on_source.of(found.source.points, found.source.skin.faces)
    away = np.linalg.norm(got - truth, axis=1)[front_of(found.target)]
    assert away.mean() < 1e-3
    assert np.percentile(away, 95) < 4e-3


def test_shapes_that_meet_on_the_head_meet_on_the_target(found: Correspondence) -> None:
    eye = found.target.landmarks.eyes[0]
    blink = found.carried(HEAD.exprdirs[found.source.skin.vertices][:, :, CTEG_HEAD_1.index("eyeBlinkLeft")])
    closed = found.target.points + blink
    upper, lower = (nearest_on_surface(lid, found.target.points, found.target.skin.faces) for lid in
                    (eye.upper[3:-3], eye.lower[3:-3]))  # fmt: skip
    faces = found.target.skin.faces
    open_gap = np.linalg.norm(eye.upper[3:-3] - eye.lower[3:-3], axis=1).mean()
    gap = np.linalg.norm(upper.of(closed, faces) - lower.of(closed, faces), axis=1)
    assert open_gap > 8e-3
    assert np.abs(gap - gap.mean()).max() < 2.5e-3
    assert gap.mean() < 0.35 * open_gap


# The coefficients.


def test_every_shape_is_made_where_the_truth_makes_it(surrogate: Surrogate, space_map: SpaceMap) -> None:
    front = front_of(read_face(surrogate.model))
    basis = surrogate.model.exprdirs[: len(surrogate.true_shapes)]
    skin = read_face(surrogate.model).skin.vertices[front]
    for k, name in enumerate(CTEG_HEAD_1.names[:49]):
        if k == TONGUE:
            continue
        made = basis[skin][:, :, :50] @ space_map.expression[:, k]
        true = surrogate.true_shapes[skin][:, :, k]
        share = 1.0 - ((made - true) ** 2).sum() / (true**2).sum()
        assert share > 0.85, name
        assert share > 0.95 or np.abs(true).max() < 2e-3, name


def test_mapped_frames_make_the_faces_that_the_truth_makes(surrogate: Surrogate, space_map: SpaceMap) -> None:
    frames = round_trip_frames(space_map, 40)
    made, true = (
        moved(surrogate.model, space_map.to_flame(frames)),
        moved(surrogate.model, true_frames(surrogate, frames)),
    )
    skin = read_face(surrogate.model).skin.vertices[front_of(read_face(surrogate.model))]
    miss, motion = np.linalg.norm(made - true, axis=-1)[:, skin], np.linalg.norm(true, axis=-1)[:, skin]
    assert motion.mean() > 2e-3
    assert miss.mean() < 0.06 * motion.mean()
    assert miss.max() < 3e-3


def test_the_jaw_turns_as_far_as_the_heads(space_map: SpaceMap) -> None:
    np.testing.assert_allclose(space_map.jaw_gain, 1.0, atol=0.06)
    for fit in space_map.fits:
        if fit.name in ("jawOpen", "jawLeft", "jawRight"):
            assert fit.by == "jaw"
            assert fit.explained > 0.99


def test_true_frames_come_back_as_the_weights_they_were_made_with(surrogate: Surrogate, space_map: SpaceMap) -> None:
    frames = round_trip_frames(space_map, 200)
    back = space_map.to_head(true_frames(surrogate, frames))
    away = np.abs(back - frames)[:, :50][:, space_map.readable]
    assert away.mean() < 0.03
    assert np.sqrt((away**2).mean()) < 0.08


def test_head_to_flame_and_back(space_map: SpaceMap) -> None:
    frames = round_trip_frames(space_map, 200)
    back = space_map.to_head(space_map.to_flame(frames))
    assert np.abs(back - frames)[:, :50].mean() < 0.02
    np.testing.assert_allclose(back[:, JAW_SLICE], frames[:, JAW_SLICE], atol=1e-5)


def test_a_whole_clip_equals_its_frames_one_by_one(space_map: SpaceMap) -> None:
    frames = space_map.to_flame(round_trip_frames(space_map, 30))
    together = space_map.to_head(frames)
    alone = np.concatenate([space_map.to_head(frame[None]) for frame in frames])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_what_comes_back_is_in_range_whatever_comes_in(space_map: SpaceMap) -> None:
    wild = np.random.default_rng(0).normal(0.0, 6.0, (50, 53))
    head = space_map.to_head(wild)
    assert (head >= CTEG_HEAD_1.lower - 1e-6).all()
    assert (head <= CTEG_HEAD_1.upper + 1e-6).all()
    flame = space_map.to_flame(np.random.default_rng(0).uniform(0.0, 5.0, (50, 53)))
    assert np.abs(flame[:, :50]).max() <= MOST_SIGMA


def test_the_rest_face_is_the_rest_face(space_map: SpaceMap) -> None:
    rest = np.zeros((2, 53))
    np.testing.assert_array_equal(space_map.to_flame(rest), rest)
    np.testing.assert_array_equal(space_map.to_head(rest), rest)


# What FLAME cannot make is marked, not faked.


def test_every_arkit_shape_has_a_row(space_map: SpaceMap) -> None:
    assert tuple(fit.name for fit in space_map.fits) == ARKIT_SHAPES


def test_the_tongue_is_marked_and_left_out(space_map: SpaceMap) -> None:
    assert space_map.marked() == ("tongueOut",)
    assert not space_map.expression[:, TONGUE].any()
    frames = np.zeros((1, 53))
    frames[0, TONGUE] = 1.0
    assert not space_map.to_flame(frames).any()


def test_a_shape_that_the_components_lack_is_marked_and_left_out(other_person: tuple[Surrogate, SpaceMap]) -> None:
    _, solved = other_person
    fit = solved.fits[ARKIT_SHAPES.index("cheekPuff")]
    assert fit.by == "nothing"
    assert fit.explained < LEAST_EXPLAINED
    assert not solved.expression[:, PUFF].any()
    assert set(solved.marked()) == {"cheekPuff", "tongueOut"}
    assert not solved.to_head(np.random.default_rng(0).normal(size=(50, 53)))[:, [PUFF, TONGUE]].any()


def test_another_persons_face_makes_the_rest(other_person: tuple[Surrogate, SpaceMap]) -> None:
    _, solved = other_person
    for fit in solved.fits:
        if fit.by != "nothing":
            assert fit.explained > 0.85, fit


def test_gaze_is_never_read_from_skin(space_map: SpaceMap) -> None:
    for fit in space_map.fits:
        assert fit.name.startswith("eyeLook") == ("eye joints" in fit.by)
    wild = np.random.default_rng(1).normal(size=(50, 53))
    assert not space_map.to_head(wild)[:, GAZE].any()


# Storage and clips.


def test_a_map_comes_back_from_json(space_map: SpaceMap) -> None:
    again = SpaceMap.from_json(space_map.to_json())
    frames = round_trip_frames(space_map, 5)
    np.testing.assert_array_equal(again.to_flame(frames), space_map.to_flame(frames))
    np.testing.assert_array_equal(again.to_head(frames), space_map.to_head(frames))
    assert again.fits == space_map.fits
    assert (again.flame_space, again.fingerprint) == (space_map.flame_space, space_map.fingerprint)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 99}, "not a space map of format 1"),
        ({"expression": [[0.0]]}, "needs expression of shape"),
        ({"jaw_gain": [1.0, -1.0, 1.0]}, "turn the same way"),
        ({"jaw_gain": [1.0, None, 1.0]}, "incomplete or damaged"),
        ({"jaw_gain": [1.0, 10**400, 1.0]}, "incomplete or damaged"),
        ({"gram": np.zeros((50, 50)).tolist()}, "reads components"),
        ({"fits": [{"name": "a", "by": "magic"}]}, "incomplete or damaged"),
        ({"readable": [True]}, "reads components"),
    ],
)
def test_damaged_maps_are_refused(change: dict[str, object], words: str, space_map: SpaceMap) -> None:
    record = json.loads(space_map.to_json()) | change
    with pytest.raises(ValueError, match=words):
        SpaceMap.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "[1]", "{}", "null", "[" * 100_000, " " * 5_000_000])
def test_other_texts_are_no_maps(text: str) -> None:
    with pytest.raises(ValueError, match="not a space map"):
        SpaceMap.from_json(text)


@pytest.mark.parametrize("frames", [np.zeros(53), np.zeros((2, 52)), np.full((1, 53), np.nan)])
def test_frames_that_are_none_are_refused(frames: np.ndarray, space_map: SpaceMap) -> None:
    for mapped in (space_map.to_flame, space_map.to_head):
        with pytest.raises(ValueError, match=r"[Ff]rames"):
            mapped(frames)


def test_clips_change_space_both_ways_and_say_so(space_map: SpaceMap) -> None:
    frames = round_trip_frames(space_map, 6).astype(np.float32)
    clip = ExpressionClip(frames, 30.0, "cteg-head-1", "Hello.", seed=3)
    there = clip_in_other_space(clip, space_map)
    assert (there.space, there.text, there.seed) == ("flame-surrogate", "Hello.", 3)
    back = clip_in_other_space(there, space_map)
    assert back.space == "cteg-head-1"
    assert back.notes == (
        "Retargeted from cteg-head-1 to flame-surrogate.",
        "Retargeted from flame-surrogate to cteg-head-1.",
    )
    assert np.abs(back.frames - frames).mean() < 0.03
    with pytest.raises(ValueError, match="in the space 'flame-2020'"):
        clip_in_other_space(replace(clip, space="flame-2020"), space_map)


# Faces that cannot be read.


def test_faces_without_what_is_needed_are_refused() -> None:
    small = make_surrogate(unbent, seed=2, vertices=6500).model
    no_eyes = replace(
        small, weights=np.concatenate([small.weights[:, :3] + 0.0, np.zeros((len(small.weights), 2))], axis=1)
    )
    with pytest.raises(ValueError, match="has no eyeballs"):
        solve_space_map(no_eyes)
    shut = HEAD.exprdirs[:, :, [CTEG_HEAD_1.index(f"eyeBlink{side}") for side in ("Left", "Right")]].sum(axis=2)
    with pytest.raises(ValueError, match="No opening between the lids"):
        read_face(replace(HEAD, v_template=HEAD.v_template + shut))
    still = HEAD.weights.copy()
    still[:, 1] += still[:, 2]
    still[:, 2] = 0.0
    with pytest.raises(ValueError, match="No lip line"):
        read_face(replace(HEAD, weights=still, posedirs=np.zeros_like(HEAD.posedirs)))


# The pieces.


def test_the_nearest_point_of_a_triangle_by_hand() -> None:
    points, faces = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])
    queries = np.array([[0.25, 0.25, 1.0], [-1.0, -1.0, 0.0], [2.0, 2.0, 0.0], [0.5, -3.0, 0.0]])
    met = nearest_on_surface(queries, points, faces)
    expected = [[0.25, 0.25, 0.0], [0, 0, 0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.0]]
    np.testing.assert_allclose(met.of(points, faces), expected, atol=1e-12)
    np.testing.assert_allclose(met.distances, [1.0, 2**0.5, 1.5 * 2**0.5, 3.0])
    np.testing.assert_allclose(vertex_normals(points, faces), [[0, 0, 1]] * 3)


def test_a_similarity_is_recovered() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(8, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    fit = fit_similarity(points, 1.7 * points @ turn.T + np.array([1.0, -2.0, 3.0]))
    assert fit.scale == pytest.approx(1.7)
    np.testing.assert_allclose(fit.rotation, turn, atol=1e-12)
    np.testing.assert_allclose(fit(points), 1.7 * points @ turn.T + np.array([1.0, -2.0, 3.0]), atol=1e-12)


def test_a_tight_bend_meets_its_points_and_a_bend_of_nothing_is_the_similarity() -> None:
    rng = np.random.default_rng(1)
    source = rng.normal(size=(30, 3))
    target = source + 0.1 * rng.normal(size=(30, 3))
    similarity = fit_similarity(source, target)
    bend = fit_bend(similarity, source, target, np.zeros(30), 1.0)
    np.testing.assert_allclose(bend(source), target, atol=1e-6)
    plain = fit_bend(similarity, source, similarity(source), np.zeros(30), 1.0)
    elsewhere = rng.normal(size=(5, 3))
    np.testing.assert_allclose(plain(elsewhere), similarity(elsewhere), atol=1e-9)


def test_a_linear_jaw_agrees_with_the_rotating_one_at_both_ends_only() -> None:
    ends = morph_residual(HEAD, jaw_openings([0.0, 1.0]))
    assert ends.max_mm < 1e-3
    half = morph_residual(HEAD, jaw_openings([0.5]))
    # a rigid point strays from the chord of its arc by r (1 - cos(angle / 2)): some 10 cm and 0.34 rad,
    # 1.4 mm, and the corrective of the mouth's corners grows with the sine of the angle
    assert 0.5 < half.max_mm < 4.0


# The command.


def test_the_report_prints_what_was_solved(
    surrogate: Surrogate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = surrogate.model
    path = tmp_path / "face.npz"
    np.savez(
        path,
        v_template=model.v_template, f=model.faces, shapedirs=model.exprdirs, posedirs=model.posedirs,
        J_regressor=model.joint_regressor, weights=model.weights, kintree_table=[[-1, 0, 1, 1, 1], range(5)],
    )  # fmt: skip
    assert main(["report", str(path), "--identity-components", "0", "--edition", "2020", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["space"] == "flame-2020"
    assert record["sizes"]["expression components"] == 100
    assert [fit["name"] for fit in record["fits"]] == list(ARKIT_SHAPES)
    assert "non-commercial" in record["licence"]
    fits = tuple(ShapeFit(**fit) for fit in record["fits"])
    text = RetargetReport(**{**record, "fits": fits}).to_text()
    assert text.startswith("face.npz: FLAME 2020 (the user said so)")
    for fit in fits:
        (row,) = (line.split() for line in text.splitlines() if line.startswith(f"{fit.name} "))
        lengths = [f"{length:.2f}" for length in (fit.size_mm, fit.mean_mm, fit.max_mm)]
        assert row[-5:] == [*lengths, f"{fit.explained:.1%}", f"{fit.largest:.2f}"]
    assert "Not made, and left out rather than faked" in text


def test_the_report_says_in_a_sentence_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "generic_model.pkl"
    page.write_bytes(b"<html>")
    assert main(["report", str(page)]) == 1
    assert "it is a web page" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "nowhere.pkl")]) == 1
    assert capsys.readouterr().err.endswith("nowhere.pkl cannot be read: No such file or directory.\n")


def test_the_report_describes_a_file_whose_face_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_npz(tmp_path / "noise.npz", flame_arrays())
    assert main(["report", str(path), "--edition", "2023"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("noise.npz: FLAME 2023 (the user said so)\n  5,023 vertices")
    assert "no eyeballs" in said.err
