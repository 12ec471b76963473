"""Faces to be named by eye: ``python -m demo.blind_look --out DIR --seed N``, then ``--judge ANSWERS.json --key KEY``.

Test lines of ``dialogue/`` are performed told their label, speech and blinks off, and rendered where they show most,
under numbers that say nothing. Whoever judges sees the pictures alone; the key lies in another folder.
Wants ``CTEG_SIDECAR``, as the add-on does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from addon import api
from cteg_core.clip import Controls
from cteg_core.dialogue import DialogueLine
from cteg_core.emotion import BASIC_EMOTIONS
from cteg_core.metrics.faithfulness import Agreement, TestLine, agreement, apex_of, balanced_dialogue
from cteg_core.training.dialogue_lines import read_dialogue
from cteg_core.training.dialogue_readings import agreed, read_readings
from demo.console import Console
from demo.engines import use_cycles, write_png
from demo.palette import save_palette_png
from demo.performed import perform
from demo.sheet import render_tile
from demo.takes import empty_scene, staged_head, take_of

EACH: Final = 6
SIZE: Final = 320
SAMPLES: Final = 8
DIALOGUE: Final = Path(__file__).resolve().parents[1] / "dialogue"


def main(arguments: Sequence[str]) -> int:
    """Render faces, or open the key; return the exit code."""
    parser = argparse.ArgumentParser(prog="demo.blind_look")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="DIR", help="folder for the pictures")
    what.add_argument("--judge", type=Path, metavar="JSON", help='answers as {"01": "anger", ...}: open the key')
    parser.add_argument("--key", type=Path, metavar="JSON", help="the key (default: DIR-key/key.json)")
    parser.add_argument("--seed", type=int, default=0, help="of lines, performances and their order")
    parser.add_argument("--each", type=int, default=EACH, help="lines of each class (default: %(default)s)")
    parser.add_argument("--size", type=int, default=SIZE, help="pixels, wide and high (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="paths a pixel (default: %(default)s)")
    parser.add_argument("--dialogue", type=Path, default=DIALOGUE, metavar="DIR", help="the project's dialogue/")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        if options.judge is not None:
            if options.key is None:
                raise ValueError("--judge needs --key and the key.json of the pictures.")
            console.say(judged(_read_json(options.judge), _read_json(options.key)))
            return 0
        folder: Path = options.out
        key_path = options.key or folder.with_name(f"{folder.name}-key") / "key.json"
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f"{folder} holds files already: name a folder that is new.")
        lines = chosen_lines(options.dialogue, options.each, options.seed)
        clips = perform([told(line, options.seed + i) for i, line in enumerate(lines)], console)
        with console.step(f"Rendering {len(lines)} faces"), console.blender_silenced():
            key = render_faces(clips, lines, folder, options.seed, (options.size, options.samples), console.sign)
    except (api.CtegError, OSError, ValueError) as error:
        console.say(f"\n{error}")
        return 1
    key_path.parent.mkdir(parents=True, exist_ok=True)
    key_path.write_text(json.dumps(key, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for title, seconds in console.seconds.items():
        console.say(f"  {seconds:6.1f} s  {title}")
    console.say(f"  {folder}; the key, for afterwards: {key_path}")
    return 0


def chosen_lines(dialogue: Path, each: int, seed: int) -> list[TestLine]:
    """Choose ``each`` test lines of every basic emotion, as ``evaluate`` does; raises ValueError and OSError."""
    written = read_dialogue(dialogue, "test")
    readings = read_readings(dialogue, written)
    named = [agreed(line, reading) for line, reading in zip(written, readings, strict=True)]
    return balanced_dialogue(written, named, each, seed)


def told(line: TestLine, seed: int) -> DialogueLine:
    """Return a line as it is asked for: its label given, the mouth silent, the eyes open."""
    return DialogueLine(line.text, seed=seed, controls=Controls(emotion=line.label, speech=False, blinks=False))


def render_faces(
    clips: Sequence[api.ExpressionClip],
    lines: Sequence[TestLine],
    folder: Path,
    seed: int,
    form: tuple[int, int],
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Render each clip at its apex, in an order that says nothing; return the key.

    Args:
        clips, lines: what is performed, in the same order.
        folder: for ``01.png`` and so on.
        seed: of the order.
        form: pixels a picture is wide and high, and paths a pixel.
        report: takes a sign of life.
    """
    size, samples = form
    scene = empty_scene()
    rig = staged_head(scene)
    use_cycles(scene, (size, size), samples)
    write_png(scene)
    folder.mkdir(parents=True, exist_ok=True)
    faces: dict[str, Any] = {}
    for number, index in enumerate(np.random.default_rng([seed, 0xB11D]).permutation(len(clips)).tolist(), start=1):
        clip, name = clips[index], f"{number:02d}"
        apex = apex_of(clip.frames, clip.fps)
        take_of(replace(clip, text=name), rig).play()
        # Written anew: into its own picture Blender puts the frame and the time.
        save_palette_png(render_tile(scene, apex / clip.fps, folder / "face.png"), folder / f"{name}.png")
        faces[name] = {"emotion": lines[index].basic, "text": clip.text, "apex_seconds": round(apex / clip.fps, 3)}
        report(f"picture {number} of {len(clips)}")
    (folder / "face.png").unlink()
    return {"checkpoint": clips[0].checkpoint, "seed": seed, "faces": faces}


def judged(answers: Mapping[str, Any], key: Mapping[str, Any]) -> str:
    """Compare answers with the key, and return what to print.

    Args:
        answers: a name of ``BASIC_EMOTIONS`` for each picture.
        key: what :func:`render_faces` returned.

    Raises:
        ValueError: pictures without an answer, or answers that are no emotion; nothing of the key is said then.
    """
    faces = key["faces"]
    missing = sorted(set(faces) ^ set(answers))
    if missing:
        raise ValueError(f"Every picture has one answer; look at {', '.join(missing)}.")
    strange = sorted(name for name, answer in answers.items() if answer not in BASIC_EMOTIONS)
    if strange:
        raise ValueError(f"An answer is one of {', '.join(BASIC_EMOTIONS)}; look at {', '.join(strange)}.")
    names = sorted(faces)
    found = agreement([answers[name] for name in names], [faces[name]["emotion"] for name in names])
    wrong = [
        f"  {name}: {faces[name]['emotion']}, taken for {answers[name]}: “{faces[name]['text']}”"
        for name in names
        if answers[name] != faces[name]["emotion"]
    ]
    right = len(names) - len(wrong)
    share = f"{right} of {len(names)} right ({right / len(names):.0%}), balanced {found.balanced:.3f}"
    return "\n".join([f"{key['checkpoint']}, seed {key['seed']}: {share}", "", matrix(found), "", *wrong]).rstrip()


def matrix(found: Agreement) -> str:
    """Return a confusion matrix as a table of Markdown: a row for each truth."""
    rows = [["", *BASIC_EMOTIONS], ["---"] * (len(BASIC_EMOTIONS) + 1)]
    rows += [[name, *map(str, counts)] for name, counts in zip(BASIC_EMOTIONS, found.confusion, strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _read_json(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(record, dict):
        raise ValueError(f"{path} is not what it should be: an object of names and answers.")
    return record


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Blender 4 may crash while Python shuts down.
    os._exit(code)
