"""``python -m cteg_core``: what it writes, prints and returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cteg_core.__main__ import COMMANDS, main
from cteg_core.clip import ExpressionClip
from cteg_core.commands import generate
from cteg_core.commands.take_files import in_head_space, numbered, written
from flame_rig.livelink import read_livelink
from flame_rig.spaces import arkit_from_frames
from tests.fakes.fake_sidecar import FakePerformer


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "load_performer", lambda *_: FakePerformer())


@pytest.mark.usefixtures("fake_model")
def test_generate_writes_numbered_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "clip.json"
    assert main(["generate", "two words", "--takes", "2", "--seed", "5", "--guidance", "1.5", "--out", str(out)]) == 0
    clips = [ExpressionClip.from_json(out.with_name(f"clip-take{n}.json").read_text("utf-8")) for n in (1, 2)]
    assert [clip.seed for clip in clips] == [5, 6]
    assert [clip.controls.guidance for clip in clips] == [1.5, 1.5]
    assert "clip-take2.json: 0.67 s, seed 6" in capsys.readouterr().out


@pytest.mark.usefixtures("fake_model")
@pytest.mark.parametrize(("options", "fps"), [([], 60), (["--fps", "30"], 30)])
def test_generate_writes_live_link_files(options: list[str], fps: int, tmp_path: Path) -> None:
    for form, out in (("livelink", "take.csv"), ("clip", "clip.json")):
        wanted = options if form == "livelink" else []
        assert main(["generate", "two words", "--format", form, *wanted, "--out", str(tmp_path / out)]) == 0
    clip = ExpressionClip.from_json((tmp_path / "clip.json").read_text("utf-8"))
    take = read_livelink((tmp_path / "take.csv").read_text("utf-8"), fps)
    weights, _ = arkit_from_frames(clip.frames)
    np.testing.assert_allclose(take.weights[:: fps // 30], weights, atol=1e-6)
    assert len(take.weights) == (len(clip.frames) - 1) * fps // 30 + 1


@pytest.mark.usefixtures("fake_model")
def test_generate_refuses_live_link_files_of_other_faces() -> None:
    clip = ExpressionClip(frames=np.zeros((2, 53), dtype=np.float32), fps=30, space="flame-2020", text="")
    with pytest.raises(ValueError, match="performs in “flame-2020”; a Live Link file holds ARKit curves"):
        written(clip, "livelink")


@pytest.mark.usefixtures("fake_model")
def test_generate_reads_the_flame_file_only_for_takes_of_its_space(tmp_path: Path) -> None:
    """The fake performs in the head's own space already, so a file that is not there is not missed."""
    out = tmp_path / "take.csv"
    wanted = ["generate", "two words", "--format", "livelink", "--flame-file", str(tmp_path / "none.pkl")]
    assert main([*wanted, "--out", str(out)]) == 0
    assert out.is_file()
    clip = ExpressionClip(frames=np.zeros((2, 53), dtype=np.float32), fps=30, space="flame-2020", text="")
    with pytest.raises((OSError, ValueError), match=r"none\.pkl"):
        in_head_space(clip, tmp_path / "none.pkl")


@pytest.mark.usefixtures("fake_model")
def test_generate_notes_what_to_expect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "你好", "--out", str(tmp_path / "clip.json")]) == 0
    assert "emotion reading was learned from English" in capsys.readouterr().err


@pytest.mark.usefixtures("fake_model")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", ""], "The line is empty"),
        (["generate", "hello", "--seed", "-1"], "A seed is a whole number"),
        (["generate", "hello", "--guidance", "4"], "The guidance of a line lies between 0 and 3; got 4.0."),
        (["generate", "refuse me"], "too sad; cheer it up"),
        (["generate", "hello", "--fps", "24"], "--fps is the rate of a Live Link file"),
    ],
)
def test_generate_says_what_failed(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path / "clip.json")]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["generate", "a", "--takes", "0"],
        ["generate", "a", "--device", "tpu"],
        ["generate", "a", "--format", "fbx"],
        ["generate", "a", "--format", "livelink", "--fps", "0"],
    ],
)
def test_misuse_ends_with_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "a", "--takes", "many"], "'many' is not a whole number of at least 1"),
        (["evaluate", "--takes", "1"], "'1' is not a whole number of at least 2"),
        (["generate", "a", "--fps", "fast"], "'fast' is no frame rate: 1 to 240 frames a second"),
    ],
)
def test_numbers_that_are_none_are_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["synthesize", "evaluate"])
def test_missing_labelled_text_is_said(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--text", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "labelled text is a folder with goemotions/ and emobank/ in it" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command.name, "--help"])  # type: ignore[attr-defined]
    assert end.value.code == 0
    assert command.summary in " ".join(capsys.readouterr().out.split())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("takes", "name"), [(1, "a.json"), (3, "a-take2.json")])
def test_only_several_takes_are_numbered(takes: int, name: str) -> None:
    assert numbered(Path("a.json"), 1, takes) == Path(name)
