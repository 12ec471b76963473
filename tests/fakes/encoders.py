"""What a stand-in for the text encoder has beside its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from cteg_core.model.text_encoder import TextStates


class Unadapted:
    """An encoder that knows no adapters and no context: what is adapted is what ``encode`` returns."""

    def encode(self, texts: Sequence[str]) -> TextStates:
        raise NotImplementedError

    def encode_adapted(self, texts: Sequence[str], before: Sequence[str] | None = None) -> TextStates:
        return self.encode(texts)

    def adapt_to(self, state: Mapping[str, Tensor]) -> None:
        assert not state
