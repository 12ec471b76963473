"""Times as scripts write them: seconds, clock times, timecodes and frames."""

from __future__ import annotations

import math
import re
from typing import Final

MAX_SECONDS: Final = 360_000.0
"""A hundred hours: where a timecode's hours end."""
MAX_FPS: Final = 1000.0

_SECONDS: Final = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{0,12})?|[.,][0-9]{1,12})\s*(?:s|sec|secs|seconds?)?", re.I)
_FRAMES: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?:f|fr|frames?)", re.I)
_CLOCK: Final = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{1,2}(?:[.,][0-9]{1,9})?)")
_TIMECODE: Final = re.compile(r"([0-9]{1,3}):([0-9]{1,2}):([0-9]{1,2})([:;])([0-9]{1,3})")
_DROP_RATES: Final[dict[int, int]] = {30: 2, 60: 4}
"""Frame numbers that drop-frame timecode skips each minute, by its nominal rate."""


def seconds_of(value: str | float, fps: float | None, *, frames: bool = False) -> float:
    """Return a time in seconds.

    Args:
        value: seconds (``12.5``, ``12,5 s``), a clock time (``1:02:03.5``, ``02:03,5``), a timecode with frames
            (``01:02:03:12``; with ``;`` before the frames it drops numbers, as NTSC video does), or frames (``48 f``).
        fps: frames a second that timecodes and frames count; None refuses those.
        frames: a plain number counts frames.

    Raises ValueError with the end of a sentence, such as “-3” is no time.
    """
    if isinstance(value, str):
        return _within(_from_text(value.strip(), fps, frames), value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _no_time(value)
    try:
        number = float(value)
    except OverflowError:
        raise _no_time("a number of that size") from None
    return _within(number / _rate(fps, value) if frames else number, value)


def clock(seconds: float) -> str:
    """Return a time as subtitles write it.

    >>> clock(3723.5)
    '01:02:03,500'
    """
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"


def plain(number: float) -> str:
    """Return a number without exponent, as a table writes it.

    >>> plain(2.50), plain(3.0), plain(1e-7)
    ('2.5', '3', '0.0000001')
    """
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _from_text(text: str, fps: float | None, frames: bool) -> float:
    if match := _SECONDS.fullmatch(text):
        number = float(match[1].replace(",", "."))
        return number / _rate(fps, text) if frames else number
    if match := _FRAMES.fullmatch(text):
        return float(match[1]) / _rate(fps, text)
    if match := _CLOCK.fullmatch(text):
        return _clock_seconds(int(match[1] or 0), int(match[2]), float(match[3].replace(",", ".")), match[1], text)
    if match := _TIMECODE.fullmatch(text):
        hours, minutes, seconds, frame = (int(match[group]) for group in (1, 2, 3, 5))
        whole = _clock_seconds(hours, minutes, seconds, match[1], text)
        return _frame_number(round(whole), frame, match[4] == ";", _rate(fps, text), text) / _rate(fps, text)
    raise _no_time(text)


def _clock_seconds(hours: int, minutes: int, seconds: float, has_hours: str | None, text: str) -> float:
    if seconds >= 60 or (has_hours is not None and minutes >= 60):
        raise _no_time(text)
    return 3600.0 * hours + 60.0 * minutes + seconds


def _frame_number(whole: int, frame: int, drops: bool, fps: float, text: str) -> float:
    """Return which frame a timecode names; the rate that it counts in is the nominal one, 30 for 29.97."""
    nominal = round(fps)
    minutes = whole // 60
    dropped = 0
    if drops:
        each = _DROP_RATES.get(nominal, 0)
        if not each or math.isclose(fps, nominal):
            raise ValueError(f"“{text}” is drop-frame timecode, which only 29.97 and 59.94 frames a second have")
        if whole % 60 == 0 and minutes % 10 and frame < each:
            raise _no_time(text)
        dropped = each * (minutes - minutes // 10)
    if frame >= nominal:
        raise ValueError(f"“{text}” names frame {frame} of a second that has {nominal}")
    return float(whole * nominal + frame - dropped)


def _rate(fps: float | None, value: object) -> float:
    if fps is None:
        raise ValueError(f"“{_shown(value)}” counts frames and the frame rate is not known: say it, or use seconds")
    return fps


def _within(seconds: float, value: object) -> float:
    if not 0.0 <= seconds <= MAX_SECONDS:
        raise _no_time(value)
    return seconds


def _no_time(value: object) -> ValueError:
    return ValueError(f"“{_shown(value)}” is no time: give seconds from 0 on, or HH:MM:SS.mmm")


def _shown(value: object) -> str:
    return f"{value}"[:40]
