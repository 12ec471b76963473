"""``generate --script``: numbered files, lines that fail, going on, exit codes; and lines that share a batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from cteg_core.__main__ import main
from cteg_core.clip import ExpressionClip
from cteg_core.commands import generate
from cteg_core.commands.script_batch import TAKES_A_BATCH
from cteg_core.commands.take_files import TakeFiles
from cteg_core.dialogue import DialogueLine
from cteg_core.line_batches import LineBatch
from cteg_core.performer import FinishedTake, takes_of
from tests.fakes.fake_sidecar import FakePerformer


class Counting(FakePerformer):
    """Remembers how many takes each batch had."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def perform(self, requests, cancelled):  # type: ignore[no-untyped-def]
        self.batches.append(len(requests))
        yield from super().perform(requests, cancelled)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Counting:
    performer = Counting()
    monkeypatch.setattr(generate, "load_performer", lambda *_: performer)
    return performer


@pytest.fixture
def perform(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Perform a script and return the exit status and the clips by name."""

    def call(content: str, *options: str, name: str = "script.txt") -> tuple[int, dict[str, ExpressionClip]]:
        (tmp_path / name).write_text(content, encoding="utf-8")
        out = tmp_path / "out"
        status = main(["generate", "--script", str(tmp_path / name), "--out", str(out), *options])
        files = sorted(out.glob("*")) if out.is_dir() else []
        return status, {path.name: ExpressionClip.from_json(path.read_text("utf-8")) for path in files}

    return call


def test_every_line_goes_to_a_numbered_file(model: Counting, perform, capsys) -> None:  # type: ignore[no-untyped-def]
    status, clips = perform("ANNA: one two\n\nBEN: three\n", "--seed", "5", "--guidance", "2")
    assert status == 0
    assert {name: (clip.text, clip.seed) for name, clip in clips.items()} == {
        "line-0001.json": ("one two", 5), "line-0002.json": ("three", 1005),
    }  # fmt: skip
    assert clips["line-0001.json"].controls.guidance == 2.0
    assert model.batches == [2]
    printed = capsys.readouterr().out
    assert "line-0002.json: 0.33 s, seed 1005, BEN: three\n" in printed
    assert printed.endswith("2 lines in script.txt: 2 performed.\n")


def test_a_script_says_seeds_lengths_and_emotions(model: Counting, perform) -> None:  # type: ignore[no-untyped-def]
    status, clips = perform(
        "text,seed,start,end,emotion,context\none,7,00:00:01:12,00:00:02:12,anger,Why?\n",
        "--takes", "2", "--timecode-fps", "24", name="script.csv",
    )  # fmt: skip
    assert status == 0
    assert {name: clip.seed for name, clip in clips.items()} == {"line-0001-take1.json": 7, "line-0001-take2.json": 8}
    controls = clips["line-0001-take1.json"].controls
    assert (controls.duration, controls.context) == (1.0, "Why?")
    assert controls.emotion is not None
    assert controls.emotion.strongest(1) == (("anger", 1.0),)


def test_a_bad_line_costs_no_other_and_the_exit_says_so(model, perform, capsys) -> None:  # type: ignore[no-untyped-def]
    status, clips = perform("one\ntwo\nrefuse this one\nmemory of a day\nbug in a rug\nsix\n")
    assert status == 1
    assert sorted(clip.text for clip in clips.values()) == ["one", "six", "two"]
    told = capsys.readouterr()
    assert "Line 3 (row 3) failed: The line is too sad; cheer it up.\n" in told.err
    assert "Line 4 (row 4) failed: There is not enough memory" in told.err
    assert "Line 5 (row 5) failed: ZeroDivisionError: division by zero\n" in told.err
    assert told.out.endswith("6 lines in script.txt: 3 performed, 3 failed.\n")


def test_rows_that_cannot_be_read_are_said_and_counted(model, perform, capsys) -> None:  # type: ignore[no-untyped-def]
    status, clips = perform("one\nt\x01wo\nthree\n")
    assert status == 1
    assert [clip.text for clip in clips.values()] == ["one", "three"]
    told = capsys.readouterr()
    assert "Row 2 was left out: The text holds a control character" in told.err
    assert told.out.endswith("2 lines in script.txt: 2 performed, 1 not read.\n")


def test_a_stopped_batch_goes_on_where_it_was(model, perform, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    script = "one\ntwo\nthree\nfour\n"
    perform(script, "--takes", "2")
    out = tmp_path / "out"
    kept = out / "line-0004-take1.json"
    stamp = kept.stat().st_mtime_ns
    (out / "line-0001-take1.json").unlink()
    (out / "line-0002-take2.json").write_text("half a fi", encoding="utf-8")
    model.batches.clear()
    status, clips = perform(script.replace("three", "another three"), "--takes", "2", "--skip-existing")
    assert (status, len(clips)) == (0, 8)
    assert clips["line-0003-take1.json"].text == "another three"
    assert model.batches == [4]
    assert kept.stat().st_mtime_ns == stamp
    assert capsys.readouterr().out.endswith("4 lines in script.txt: 3 performed, 1 kept.\n")
    model.batches.clear()
    assert perform(script.replace("three", "another three"), "--takes", "2", "--skip-existing")[0] == 0
    assert model.batches == []


def test_a_long_script_is_performed_in_batches(model: Counting, perform) -> None:  # type: ignore[no-untyped-def]
    assert perform("a\n" * 11, "--takes", "3")[0] == 0
    assert model.batches == [15, 15, 3]
    assert max(model.batches) <= TAKES_A_BATCH


def test_takes_of_a_script_can_be_live_link_files(model, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.txt").write_text("one\n")
    wanted = ["generate", "--script", str(tmp_path / "a.txt"), "--format", "livelink", "--out", str(tmp_path / "out")]
    assert main(wanted) == main([*wanted, "--skip-existing"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["line-0001.csv"]
    assert model.batches == [1]


def test_a_take_that_cannot_be_written_costs_itself(model, perform, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "out" / "line-0001.json").mkdir(parents=True)
    (tmp_path / "script.txt").write_text("one\ntwo\n")
    assert main(["generate", "--script", str(tmp_path / "script.txt"), "--out", str(tmp_path / "out")]) == 1
    assert (tmp_path / "out" / "line-0002.json").is_file()
    assert "Line 1 (row 1) failed: Its take cannot be written: " in capsys.readouterr().err
    assert model.batches == [2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--script", "none.txt"], "none.txt: there is no such file"),
        (["--script", "empty.txt"], "empty.txt holds no line that can be performed."),
        (["--script", "one.txt", "--out", "one.txt"], "a script's takes go to a folder"),
        (["--script", "one.txt", "--seed", "-1"], "A seed is a whole number"),
        (["hello", "--skip-existing"], "--skip-existing and --timecode-fps belong to --script FILE"),
    ],
)
def test_what_cannot_be_performed_at_all_is_said(  # type: ignore[no-untyped-def]
    arguments: list[str], said: str, model, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.txt").write_text("one\n")
    Path("empty.txt").write_text("\n# nothing\n")
    assert main(["generate", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert model.batches == []
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("arguments", [[], ["hello", "--script", "a.txt"]])
def test_a_text_or_a_script_is_needed(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["generate", *arguments])
    assert end.value.code == 2


def test_an_interruption_keeps_what_is_done(monkeypatch, perform, capsys) -> None:  # type: ignore[no-untyped-def]
    class Interrupted(FakePerformer):
        def perform(self, requests, cancelled):  # type: ignore[no-untyped-def]
            for event in super().perform(requests, cancelled):
                yield event
                if isinstance(event, FinishedTake):
                    raise KeyboardInterrupt

    monkeypatch.setattr(generate, "load_performer", lambda *_: Interrupted())
    status, clips = perform("one\ntwo\n")
    assert (status, list(clips)) == (130, ["line-0001.json"])
    assert "--skip-existing goes on from there." in capsys.readouterr().err


def test_a_take_is_written_whole_and_through_links(tmp_path: Path) -> None:
    (finished,) = [e for e in FakePerformer().perform(takes_of(DialogueLine("one"), 1), lambda: False)
                   if isinstance(e, FinishedTake)]  # fmt: skip
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("")
    try:
        link.symlink_to(real)
    except OSError:
        pytest.skip("this system lets nobody make links")
    TakeFiles("clip").write(finished.clip, link)
    assert link.is_symlink()
    assert ExpressionClip.from_json(real.read_text("utf-8")).text == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "real.json"]


def test_a_failed_batch_is_halved_until_the_bad_line_is_alone() -> None:
    performer = Counting()
    texts = ["one", "two", "refuse this one", "four", "five", "six", "seven", "eight"]
    finished: list[int] = []

    def deliver(line: int, _: object, event: object) -> None:
        if isinstance(event, FinishedTake):
            finished.append(line)

    requests = {index: takes_of(DialogueLine(text), 1) for index, text in enumerate(texts)}
    failed = LineBatch(performer, requests, lambda: False, deliver, str).perform()
    assert failed == {2: "The line is too sad; cheer it up."}
    assert sorted(finished) == [0, 1, 3, 4, 5, 6, 7]
    assert performer.batches == [8, 3, 1, 2, 3]
