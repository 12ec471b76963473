"""How the official code names its tensors, and what they are called here.

The official state dict (facts: 460 entries at the official size) holds BERT twice (``encoder.`` and
``encoder_pretrained.``, the same weights), the decoder under ``decoder.``, and two readouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_LINEAR: Final = {"weight": "weight", "bias": "bias"}
_WEIGHT: Final = {"weight": "weight"}
_NORM: Final = {"layer_norm.weight": "norm.weight", "layer_norm.bias": "norm.bias"}
_ATTENTION: Final = {
    "w_qs.weight": "query.weight", "w_ks.weight": "key.weight", "w_vs.weight": "value.weight",
    "fc.weight": "output.weight", **_NORM,
}  # fmt: skip
_FEED_FORWARD: Final = {
    "w_1.weight": "inner.weight", "w_1.bias": "inner.bias", "w_2.weight": "outer.weight", "w_2.bias": "outer.bias",
    **_NORM,
}  # fmt: skip

_Module = tuple[str, str, Mapping[str, str]]
_MODULES: Final[tuple[_Module, ...]] = (
    ("decoder.exp_emb", "frame_embedding", _LINEAR),
    ("decoder.fea_proj", "expression_attention.lift", _LINEAR),
    ("decoder.fea_attn", "expression_attention.attention", _ATTENTION),
    ("decoder.fea_proj_reverse", "expression_attention.lower", _LINEAR),
    ("decoder.layer_norm", "norm", _LINEAR),
    ("trg_exp_prj", "readout", _WEIGHT),
    ("trg_word_prj_one_step", "guided_readout", _WEIGHT),
)
_LAYER_MODULES: Final[tuple[_Module, ...]] = (
    ("slf_attn", "self_attention", _ATTENTION),
    ("enc_attn", "text_attention", _ATTENTION),
    ("slf_attn_second", "temporal_attention", _ATTENTION),
    ("enc_attn_second", "text_attention_second", _ATTENTION),
    ("pos_ffn", "feed_forward", _FEED_FORWARD),
    ("pri_ffn", "guided_feed_forward", _FEED_FORWARD),
    ("upper_mu", "posterior_mean", _LINEAR),
    ("upper_sigma", "posterior_log_variance", _LINEAR),
    ("down_mu", "prior_mean", _LINEAR),
    ("down_sigma", "prior_log_variance", _LINEAR),
)
LAYER_PREFIX: Final = "decoder.layer_stack."

WORD_EMBEDDING: Final = "decoder.trg_word_emb.weight"
"""The target side's word table; only three of its rows are ever used."""
MARKERS: Final = "markers.weight"
MARKER_WORDS: Final = (0, 101, 102)
"""Rows of the word table that stand for PAD, START ([CLS]) and END ([SEP]): the ids of bert-base-cased."""
POSITION_TABLE: Final = "decoder.position_enc.pos_table"
"""A buffer that is computed here; checked, not stored."""

ENCODER: Final = "encoder."
ENCODER_TWIN: Final = "encoder_pretrained."
"""The same weights once more; checked, not stored."""
ENCODER_DEAD: Final = ("pooler.", "embeddings.position_ids", "embeddings.token_type_ids")
"""Parts of BERT whose results nothing reads, and buffers that are computed."""


def network_names(layers: int) -> Iterator[tuple[str, str]]:
    """Yield official name and our name of every weight that is taken over as it is, for a decoder of ``layers``."""
    modules = list(_MODULES)
    for index in range(layers):
        modules += [
            (f"{LAYER_PREFIX}{index}.{old}", f"layers.{index}.{new}", parts) for old, new, parts in _LAYER_MODULES
        ]
    for official, ours, parts in modules:
        for old, new in parts.items():
            yield f"{official}.{old}", f"{ours}.{new}"
