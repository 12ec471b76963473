"""The client of the sidecar: starts it on the first request, keeps it warm, and never waits for it.

All methods belong to one thread (in Blender: the main one). ``poll`` does what there is to do and returns.
"""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

from cteg_core import __version__
from cteg_core.dialogue import DialogueLine
from cteg_core.jsonrpc import ErrorCode, Failure, Message, MessageId, Notification, Request, Result, RpcError
from cteg_core.jsonrpc import decode as decode_message
from cteg_core.jsonrpc import encode as encode_message
from cteg_core.protocol import (
    CANCEL,
    INITIALIZE,
    LOAD,
    PROGRESS,
    PROTOCOL_VERSION,
    READ,
    SHUTDOWN,
    Loaded,
    TakesOfLine,
    Versions,
    cancel_params,
    is_same_build,
    progress_from_params,
)

from .child_end import end_in_words, was_killed
from .child_process import ChildProcess
from .deadlines import Deadlines
from .log_file import RotatingLog
from .sidecar_command import sidecar_command, split_command
from .under_way import (
    LinesUnderWay,
    ReadUnderWay,
    SidecarError,
    SidecarRequest,
    TakesUnderWay,
    UnderWay,
    generate_requests,
    read_requests,
)

__all__ = [
    "Deadlines", "LinesUnderWay", "ReadUnderWay", "SidecarClient", "SidecarError", "SidecarState", "TakesUnderWay",
    "sidecar_command", "split_command",
]  # fmt: skip

_AGAIN: Final = "Try again: the sidecar is started anew."
_LINES_A_POLL: Final = 64
_SECONDS_A_POLL: Final = 0.02
"""A poll ends after so long, whatever is left to read: Blender's interface waits for it."""
_MAX_SENT: Final = 2
"""Requests that the sidecar has at once: one to perform, and one so that it need not wait for the next."""
_SECONDS_FOR_LAST_WORDS: Final = 1.0
_QUOTED_LETTERS: Final = 200
_LONGEST_PAUSE_SECONDS: Final = 1.0
"""Polls further apart than this were held up by something else."""


class SidecarState(Enum):
    """What the sidecar is doing, in words for the user."""

    STOPPED = "Stopped"
    STARTING = "Starting the network"
    LOADING = "Loading the model"
    READY = "Ready"


class SidecarClient:
    """A sidecar that is started when it is needed, and started again when it ended.

    Args:
        command: as :func:`sidecar_command` returns it.
        deadlines: when silence counts as a hang; they can be set anew at any time.
        log_file: where to keep what the sidecar says on standard error, rotated; errors name it.
    """

    def __init__(
        self, command: Sequence[str], deadlines: Deadlines | None = None, log_file: Path | None = None
    ) -> None:
        self.command = tuple(command)
        self.log_file = log_file
        self.loaded: Loaded | None = None
        self.versions: Versions | None = None
        self.deadlines = deadlines or Deadlines()
        self._state = SidecarState.STOPPED
        self._child: ChildProcess | None = None
        self._ending: list[ChildProcess] = []
        self._log_hint = ""
        self._ids = itertools.count(1)
        self._greeting_id = 0
        self._unsent: list[SidecarRequest] = []
        self._sent: dict[int, SidecarRequest] = {}
        self._given_up: dict[int, float] = {}
        self._last_heard = 0.0
        self._last_polled = 0.0
        self._silent_since: float | None = None

    @property
    def state(self) -> SidecarState:
        """What the sidecar is doing."""
        return self._state

    @property
    def pid(self) -> int | None:
        """Process id of the sidecar; None while it does not run."""
        return None if self._child is None else self._child.pid

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing that was given up is waited for: there is nothing to poll for."""
        return not (self._unsent or self._sent or self._given_up)

    def submit(self, line: DialogueLine, takes: int = 1) -> TakesUnderWay:
        """Ask for takes of a line; a sidecar that cannot be started shows in the returned object."""
        return self.submit_lines((line,), takes).lines[0]

    def submit_lines(self, lines: Sequence[DialogueLine], takes: int = 1) -> LinesUnderWay:
        """Ask for takes of every line.

        They are performed as one batch, or as several one after the other where they are more than the protocol lets
        into one request (lines x takes of 64, a message of 1 MiB). What fails a line shows in its part of the returned
        object.
        """
        self.poll()
        under_way = LinesUnderWay(tuple(TakesUnderWay(TakesOfLine(line, takes)) for line in lines))
        self._unsent += generate_requests(under_way.lines)
        self._start_or_send()
        return under_way

    def submit_read(self, texts: Sequence[str], before: Sequence[str] = ()) -> ReadUnderWay:
        """Ask what emotion texts carry; answered before lines that were not sent yet.

        Args:
            texts: what to read.
            before: what was said just before each, as ``Controls.context`` has it; may be left out for all of them.
        """
        self.poll()
        under_way = ReadUnderWay(tuple(texts), tuple(before))
        if not texts:
            under_way.emotions = ()
            return under_way
        reads = sum(request.method == READ for request in self._unsent)
        self._unsent[reads:reads] = read_requests(under_way)
        self._start_or_send()
        return under_way

    def cancel(self, under_way: UnderWay) -> None:
        """Give something up: nothing of it arrives any more, however late the sidecar hears of it.

        One line of many can be given up alone; the sidecar is told when nothing of a request is wanted any more.
        """
        for part in under_way.lines if isinstance(under_way, LinesUnderWay) else (under_way,):
            part.cancelled = part.cancelled or not part.is_over
        self._unsent = [request for request in self._unsent if not request.is_given_up]
        for request_id in [sent_id for sent_id, request in self._sent.items() if request.is_given_up]:
            if self._sent.pop(request_id, None) is None:
                break  # It could not be told of the one before, and is lost.
            self._given_up[request_id] = time.monotonic() + self.deadlines.cancel
            self._send(Notification(CANCEL, cancel_params(request_id)))
        if self._state is SidecarState.READY:
            self._send_unsent()

    def poll(self, wait: float = 0.0) -> None:
        """Take in what the sidecar said and end it where it hangs; wait ``wait`` seconds for a word at most."""
        self._excuse_absence()
        try:
            self._poll(wait)
            self._check_deadlines()
        finally:
            self._last_polled = time.monotonic()

    def _poll(self, wait: float) -> None:
        enough = time.monotonic() + wait + _SECONDS_A_POLL
        for _ in range(_LINES_A_POLL):
            if self._child is None or time.monotonic() > enough:
                return
            try:
                line = self._child.next_line(wait)
            except EOFError:
                self._explain_end(wait)
                return
            if line is None:
                return
            wait = 0.0
            self._last_heard = time.monotonic()
            try:
                self._receive(decode_message(line))
            except RpcError as error:
                heard = line[:_QUOTED_LETTERS].decode("utf-8", errors="replace")
                self._break(
                    f"The sidecar said what this version cannot read ({error.sentence}): “{heard}”.", self._check
                )

    def close(self) -> None:
        """End the sidecar and give up what is under way; the next request starts it anew."""
        for request in (*self._unsent, *self._sent.values()):
            request.give_up()
        self._forget_child(polite=True)
        for child in self._ending:
            child.close()
        self._ending.clear()

    def _start_or_send(self) -> None:
        if self._child is None and self._unsent:
            self._start()
        elif self._state is SidecarState.READY:
            self._send_unsent()

    def _start(self) -> None:
        self._last_heard = self._last_polled = time.monotonic()
        self._ending = [child for child in self._ending if child.is_ending]
        log = None if self.log_file is None else RotatingLog(self.log_file)
        self._log_hint = f" Its log: “{self.log_file}”." if log is not None and log.is_open else ""
        if log is not None:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} starting {shlex.join(self.command)}".encode())
        try:
            self._child = ChildProcess(self.command, log)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            if log is not None:
                log.close()
            self._break(f"The sidecar's program {self.command[0]} cannot be started: {reason}.", self._check)
            return
        self._state = SidecarState.STARTING
        self._greet(INITIALIZE, Versions(PROTOCOL_VERSION, __version__, {}).to_params())

    def _greet(self, method: str, params: Mapping[str, object]) -> None:
        self._greeting_id = next(self._ids)
        self._send(Request(self._greeting_id, method, params))

    def _send_unsent(self) -> None:
        while self._unsent and len(self._sent) < _MAX_SENT and self._child is not None:
            request = self._unsent.pop(0)
            request_id = next(self._ids)
            self._sent[request_id] = request
            self._last_heard = time.monotonic()
            self._send(Request(request_id, request.method, request.params()))

    def _send(self, message: Message) -> None:
        if self._child is None:
            return
        try:
            self._child.send(encode_message(message))
        except BrokenPipeError:
            self._break("The sidecar does not read what it is sent, and was stopped.", _AGAIN)

    def _receive(self, message: Message) -> None:
        match message:
            case Notification(method, params) if method == PROGRESS:
                progress = progress_from_params(params)
                if (request := self._sent.get(_own(progress.request_id))) is not None:
                    request.progress(progress)
            case Result(answer_id, result):
                self._receive_result(_own(answer_id), result)
            case Failure(answer_id, code, sentence):
                self._receive_failure(None if answer_id is None else _own(answer_id), self._error(sentence, code))
            case _:
                pass  # Notifications of later versions.

    def _receive_result(self, answer_id: int, result: Mapping[str, object]) -> None:
        if answer_id == self._greeting_id and self._state is SidecarState.STARTING:
            self._check_version(Versions.from_params(result))
        elif answer_id == self._greeting_id and self._state is SidecarState.LOADING:
            self.loaded = Loaded.from_params(result)
            self._state = SidecarState.READY
            self._send_unsent()
        else:
            if (request := self._sent.get(answer_id)) is not None:
                request.result(result, self._error)
            self._has_ended(answer_id)

    def _receive_failure(self, answer_id: int | None, error: SidecarError) -> None:
        if answer_id is None or answer_id == self._greeting_id:
            self._break(str(error), code=error.code)
        else:
            if (request := self._sent.get(answer_id)) is not None:
                request.fail(error)
            self._has_ended(answer_id)

    def _has_ended(self, request_id: int) -> None:
        self._sent.pop(request_id, None)
        self._given_up.pop(request_id, None)
        # The next one's turn has come only now, if it was given up.
        deadline = time.monotonic() + self.deadlines.cancel
        self._given_up = dict.fromkeys(self._given_up, deadline)
        self._send_unsent()

    def _error(self, sentence: str, code: int) -> SidecarError:
        return SidecarError(sentence + (self._log_hint if code == ErrorCode.INTERNAL_ERROR else ""), code)

    def _check_version(self, sidecar: Versions) -> None:
        self.versions = sidecar
        if not is_same_build(sidecar.version, __version__):
            self._break(
                f"The sidecar is CTEG {sidecar.version}, but this is {__version__}: restart Blender, and if that does "
                "not help install this version in the sidecar's environment.",
                code=ErrorCode.VERSION_MISMATCH,
            )
            return
        self._state = SidecarState.LOADING
        self._greet(LOAD, Loaded().to_params())

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        silence = now - self._last_heard
        if self._state is SidecarState.STARTING and silence > self.deadlines.hello:
            self._break(f"The sidecar did not answer within {self.deadlines.hello:g} s of its start.", self._check)
        elif self._state is SidecarState.LOADING and silence > self.deadlines.load:
            self._break(f"The sidecar did not load its model within {self.deadlines.load:g} s.", _AGAIN)
        elif self._sent and silence > self.deadlines.generate:
            self._break(f"The sidecar was silent for {self.deadlines.generate:g} s, and was stopped.", _AGAIN)
        elif any(
            now > deadline and not any(earlier < given_up for earlier in self._sent)
            for given_up, deadline in self._given_up.items()
        ) and not self._hand_on():
            self._break("The sidecar did not stop when a line was cancelled, and was ended.", _AGAIN)

    def _excuse_absence(self) -> None:
        """Count as silence only the time in which somebody listened: Blender may have been busy rendering."""
        absent = time.monotonic() - self._last_polled
        if absent > _LONGEST_PAUSE_SECONDS:
            self._last_heard += absent
            self._given_up = {request_id: deadline + absent for request_id, deadline in self._given_up.items()}

    def _explain_end(self, wait: float) -> None:
        child, now = self._child, time.monotonic()
        assert child is not None
        self._silent_since = now if self._silent_since is None else self._silent_since
        # What it says on standard error arrives a little later than the end of its output.
        if not child.is_gone(wait) and now - self._silent_since < _SECONDS_FOR_LAST_WORDS:
            return
        advice = self._check if self._state is SidecarState.STARTING else _AGAIN
        if was_killed(child):
            advice = "Try again with fewer takes or shorter text: the sidecar is started anew."
        if not self._hand_on():
            self._break(end_in_words(child), advice)

    def _hand_on(self) -> bool:
        """Give what a lost child had not begun to a new one; return whether all that was under way is so spared.

        It performs one request after the other: one that was given up, or whose answer alone is missing, kept it busy.
        """
        waiting = [request for request in self._sent.values() if not request.is_complete]
        if not self._given_up and len(waiting) == len(self._sent):
            return False
        if any(request.has_begun for request in waiting):
            return False
        self._sent.clear()
        self._forget_child()
        self._unsent[:0] = waiting
        self._start_or_send()
        return True

    def _break(self, what: str, advice: str = "", code: int | None = None) -> None:
        """End the sidecar and fail all that is under way, with sentences that say what failed and what to do."""
        hint = self._log_hint if code is None else ""
        sentence = f"{what}{hint} {advice}".rstrip()
        failed = (*self._unsent, *self._sent.values())
        self._forget_child()
        for request in failed:
            request.fail(SidecarError(sentence, code))
        self._unsent.clear()
        self._sent.clear()

    def _forget_child(self, polite: bool = False) -> None:
        child, self._child = self._child, None
        self._state = SidecarState.STOPPED
        self.loaded = None
        self._silent_since = None
        self._given_up.clear()
        if polite:
            self._unsent.clear()
            self._sent.clear()
        if child is not None and polite:
            child.close(encode_message(Request(next(self._ids), SHUTDOWN, {})))
        elif child is not None:
            child.end()
            self._ending.append(child)

    @property
    def _check(self) -> str:
        return f"Check the sidecar's command: {shlex.join(self.command)}"


def _own(answer_id: MessageId) -> int:
    """Return an id as the client gives them out; another's is none of them."""
    return answer_id if isinstance(answer_id, int) else 0
