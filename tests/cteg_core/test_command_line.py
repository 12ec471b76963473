"""``python -m cteg_core``: what it writes, prints and returns."""

from __future__ import annotations

from pathlib import Path

import pytest

from cteg_core.__main__ import COMMANDS, main
from cteg_core.clip import ExpressionClip
from cteg_core.commands import generate
from cteg_core.commands.generate import numbered
from tests.fakes.fake_sidecar import FakePerformer


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "load_performer", lambda *_: FakePerformer())


@pytest.mark.usefixtures("fake_model")
def test_generate_writes_numbered_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "clip.json"
    assert main(["generate", "two words", "--takes", "2", "--seed", "5", "--out", str(out)]) == 0
    clips = [ExpressionClip.from_json(out.with_name(f"clip-take{n}.json").read_text("utf-8")) for n in (1, 2)]
    assert [clip.seed for clip in clips] == [5, 6]
    assert "clip-take2.json: 0.67 s, seed 6" in capsys.readouterr().out


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
        (["generate", "refuse me"], "too sad; cheer it up"),
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
    "arguments", [[], ["dance"], ["generate", "a", "--takes", "0"], ["generate", "a", "--device", "tpu"]]
)
def test_misuse_ends_with_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command.name, "--help"])  # type: ignore[attr-defined]
    assert end.value.code == 0
    assert command.summary in " ".join(capsys.readouterr().out.split())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("takes", "name"), [(1, "a.json"), (3, "a-take2.json")])
def test_only_several_takes_are_numbered(takes: int, name: str) -> None:
    assert numbered(Path("a.json"), 1, takes) == Path(name)
