"""The sidecar's methods: what each request does, and what its failure says.

Torch is imported by ``load``, never before: ``initialize`` answers at once.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, Final

from cteg_core import __version__
from cteg_core.clip_stream import ClipSender
from cteg_core.connection import Call, Connection, Disconnected
from cteg_core.dialogue import LineError
from cteg_core.jsonrpc import ErrorCode, RpcError
from cteg_core.performer import Cancelled, EmotionReader, FinishedTake, FrameChunk, Performer, takes_of
from cteg_core.performing import perform_lines, read_texts
from cteg_core.protocol import (
    GENERATE,
    INITIALIZE,
    LOAD,
    PROTOCOL_VERSION,
    READ,
    SHUTDOWN,
    Loaded,
    TakesOfLine,
    TakesOfLines,
    TextEmotions,
    TextsToRead,
    Versions,
    failed_lines_result,
)

PACKAGES: Final[tuple[str, ...]] = ("torch", "transformers", "safetensors")
"""What the sidecar computes with."""

_MEMORY_SIGNS: Final = ("allocate", "bad_alloc", "out of memory")
"""In what libraries say of it: torch on a processor, C++, CUDA, the C library."""

_log = logging.getLogger(__name__)


class Server:
    """Answers requests until ``shutdown`` or the end of the input.

    Args:
        connection: where requests come from.
        load: makes the performer; raises ImportError where a package is missing, OSError or ValueError with
            a sentence where the checkpoint or the text encoder cannot be used.
        log_hint: tells the user where to look after a failure that nobody foresaw.
    """

    def __init__(self, connection: Connection, load: Callable[[], Performer], log_hint: str) -> None:
        self._connection = connection
        self._load_performer = load
        self._log_hint = log_hint
        self._initialized = False
        self._performer: Performer | None = None
        self._methods: dict[str, Callable[[Call], Mapping[str, Any]]] = {
            INITIALIZE: self._initialize,
            LOAD: self._load,
            GENERATE: self._generate,
            READ: self._read,
            SHUTDOWN: lambda _: {},
        }

    def run(self) -> None:
        """Answer requests, each by exactly one result or failure."""
        while (call := self._connection.next_call()) is not None:
            started = time.monotonic()
            outcome = self._answer(call)
            seconds = time.monotonic() - started
            _log.info("request %s %.40s: %s in %.2f s", call.request.id, call.request.method, outcome, seconds)
            if call.request.method == SHUTDOWN:
                for late in self._connection.waiting_calls():
                    late.fail(ErrorCode.CANCELLED, "Cancelled: the sidecar was asked to shut down.")
                return

    def _answer(self, call: Call) -> str:
        """Answer one request; return its outcome in a word or two for the log."""
        try:
            result = self._dispatch(call)
        except Cancelled:
            failure = RpcError(ErrorCode.CANCELLED, "Cancelled.")
        except RpcError as error:
            failure = error
        except Disconnected:
            raise
        except Exception as error:
            failure = self._explained(error)
        else:
            call.answer(result)
            return "done"
        call.fail(failure.code, failure.sentence)
        return f"failed ({failure.code})"

    def _dispatch(self, call: Call) -> Mapping[str, Any]:
        method = self._methods.get(call.request.method)
        if method is None:
            known = ", ".join(self._methods)
            raise RpcError(ErrorCode.METHOD_NOT_FOUND, f"The sidecar has no such method; it has {known}.")
        if call.is_cancelled() and call.request.method != SHUTDOWN:
            raise Cancelled
        if not self._initialized and call.request.method in (LOAD, GENERATE, READ):
            raise RpcError(ErrorCode.NOT_INITIALIZED, f"The first request to a sidecar is {INITIALIZE}.")
        return method(call)

    def _initialize(self, call: Call) -> Mapping[str, Any]:
        asked = Versions.from_params(call.request.params)
        if asked.protocol != PROTOCOL_VERSION:
            raise RpcError(
                ErrorCode.VERSION_MISMATCH,
                f"The sidecar (CTEG {__version__}) speaks protocol {PROTOCOL_VERSION}, but was asked for "
                f"{asked.protocol}: install the same version of CTEG on both sides and restart Blender.",
            )
        self._initialized = True
        return Versions(PROTOCOL_VERSION, __version__, _package_versions()).to_params()

    def _load(self, call: Call) -> Mapping[str, Any]:
        asked = Loaded.from_params(call.request.params)
        if self._performer is None:
            try:
                self._performer = self._load_performer()
            except ImportError as error:
                missing = error.name or str(error)
                raise RpcError(
                    ErrorCode.PACKAGES_MISSING,
                    f"The sidecar's Python ({sys.executable}) cannot import {missing}: install torch, transformers "
                    "and safetensors there, or give the sidecar a Python that has them.",
                ) from error
            except Exception as error:
                if _is_out_of_memory(error):
                    _log.exception("the model does not fit")
                    raise RpcError(
                        ErrorCode.OUT_OF_MEMORY,
                        "The sidecar ran out of memory while it loaded the model: close what else needs much memory, "
                        "or use the device cpu.",
                    ) from None
                if isinstance(error, OSError | ValueError):
                    raise RpcError(ErrorCode.CHECKPOINT_UNUSABLE, _sentence(error)) from error
                raise
        loaded = Loaded(self._performer.checkpoint_id, self._performer.device)
        if asked.checkpoint not in ("", loaded.checkpoint):
            raise RpcError(
                ErrorCode.CHECKPOINT_UNUSABLE,
                f"The sidecar has the checkpoint {loaded.checkpoint}, not {asked.checkpoint}: start it with "
                "--checkpoint and the folder of that one.",
            )
        return loaded.to_params()

    def _generate(self, call: Call) -> Mapping[str, Any]:
        performer = self._loaded_performer()
        if "lines" in call.request.params:
            many = TakesOfLines.from_params(call.request.params)
            failed = perform_lines(performer, call, many, self._explained)
            return failed_lines_result(many.takes, failed)
        asked = TakesOfLine.from_params(call.request.params)
        senders = [ClipSender(call.request.id, take) for take in range(asked.takes)]
        unfinished = set(range(asked.takes))
        for event in performer.perform(takes_of(asked.line, asked.takes), call.is_cancelled):
            match event:
                case FrameChunk(take, first_frame, frames):
                    for chunk in senders[take].frames(first_frame, frames):
                        call.progress(chunk)
                case FinishedTake(take, clip):
                    for message in senders[take].finish(clip):
                        call.progress(message)
                    unfinished.discard(take)
        if unfinished:
            raise RuntimeError(f"The model ended without take {min(unfinished) + 1}.")
        return {"takes": asked.takes}

    def _read(self, call: Call) -> Mapping[str, Any]:
        performer = self._loaded_performer()
        asked = TextsToRead.from_params(call.request.params)
        if not isinstance(performer, EmotionReader):
            raise RpcError(
                ErrorCode.CHECKPOINT_UNUSABLE,
                f"The checkpoint {performer.checkpoint_id} reads no emotion from text: choose another checkpoint.",
            )
        return TextEmotions(read_texts(performer, asked, call.is_cancelled)).to_params()

    def _loaded_performer(self) -> Performer:
        if self._performer is None:
            raise RpcError(ErrorCode.NOT_LOADED, f"The sidecar has no model yet: ask for {LOAD} first.")
        return self._performer

    def _explained(self, error: Exception) -> RpcError:
        if isinstance(error, LineError):
            return RpcError(ErrorCode.LINE_REFUSED, str(error))
        _log.error("a request failed", exc_info=error)
        if _is_out_of_memory(error):
            return RpcError(
                ErrorCode.OUT_OF_MEMORY,
                "The sidecar ran out of memory: ask for fewer takes, shorten the text or split the line, "
                "or use the device cpu.",
            )
        return RpcError(
            ErrorCode.INTERNAL_ERROR,
            f"The sidecar failed in a way that nobody foresaw ({type(error).__name__}: {_sentence(error)}). "
            + self._log_hint,
        )


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = ""
    return versions


def _is_out_of_memory(error: Exception) -> bool:
    # torch.OutOfMemoryError by its name: torch must not be imported to ask; the CPU's is a RuntimeError.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and any(sign in str(error) for sign in _MEMORY_SIGNS)


def _sentence(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:2000]
