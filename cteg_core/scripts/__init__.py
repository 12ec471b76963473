"""Scripts: lines of dialogue out of text, CSV, JSON, subtitles and screenplays. Standard library and numpy only."""

from cteg_core.scripts.lines import MAX_LINES, Script, ScriptError, ScriptLine
from cteg_core.scripts.reading import KIND_OF_SUFFIX, KINDS, read_script, script_of
from cteg_core.scripts.writing import write_csv, write_json, write_srt

__all__ = [
    "KINDS",
    "KIND_OF_SUFFIX",
    "MAX_LINES",
    "Script",
    "ScriptError",
    "ScriptLine",
    "read_script",
    "script_of",
    "write_csv",
    "write_json",
    "write_srt",
]
