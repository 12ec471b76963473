"""The sizes and switches of an official checkpoint, read from its tensors' shapes and its ``settings``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cteg_core.emoava.names import LAYER_PREFIX
from cteg_core.model.config import EMOAVA, ModelConfig
from flame_rig.untrusted.stand_ins import StandIn
from flame_rig.untrusted.torch_zip import StoredTensor
from flame_rig.untrusted.vocabulary import a_kind_of, shown

SWITCHES: Final[Mapping[str, object]] = {
    "scale_emb": True,
    "flat_method": "casual_attention",
    "second_sample": "one",
}
"""Settings that leave no trace in the weights and must be those of the paper's model."""
OPTIONAL_SWITCHES: Final[Mapping[str, object]] = {
    "cvae": True,
    "feature_attention": True,
    "one_step_loss": True,
    "proj_share_weight": False,
    "trg_emb_prj_weight_sharing": False,
    "exp_only_dim": 50,
    "trg_exp_dim": 53,
}
"""Settings that the weights show as well; checked where they are given."""

BERT_CLASS: Final = "transformers.models.bert.modeling_bert.BertModel"
_BERT_SIZES: Final[Mapping[str, int]] = {
    "vocab_size": 1 << 20,
    "hidden_size": 1 << 14,
    "num_hidden_layers": 64,
    "num_attention_heads": 256,
    "intermediate_size": 1 << 16,
    "max_position_embeddings": 1 << 16,
    "type_vocab_size": 64,
}
"""The sizes of a BERT, each with the most that is believed."""
_BERT_FIXED: Final[Mapping[str, object]] = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
}
_ACTIVATIONS: Final = ("gelu", "relu", "gelu_new")


class ImportRefused(ValueError):  # noqa: N818 (the word says it: nothing went wrong, the file is not one of ours)
    """A checkpoint or data set is not what the official code writes; the message is a sentence."""


def settings_of(value: object) -> Mapping[str, object]:
    """Return the ``settings`` of a checkpoint's value as a mapping; raises ImportRefused."""
    settings = value.get("settings") if isinstance(value, dict) else None
    if isinstance(settings, StandIn) and isinstance(settings.state, dict):
        return settings.state
    if isinstance(settings, dict):
        return settings
    raise ImportRefused("The checkpoint has no `settings`: it was not saved by the official training script.")


def model_config(settings: Mapping[str, object], tensors: Mapping[str, StoredTensor]) -> ModelConfig:
    """Return the network's architecture: sizes from the weights, heads and dropout from ``settings``.

    Raises ImportRefused when a switch is not the paper's or sizes disagree.
    """
    for name, expected in {**SWITCHES, **OPTIONAL_SWITCHES}.items():
        if name not in SWITCHES and name not in settings:
            continue
        found = settings.get(name)
        if not _is(found, expected):
            raise ImportRefused(
                f"The checkpoint was trained with {name} = {_said(found)}; only {expected!r} can be imported."
            )
    first = f"{LAYER_PREFIX}0."
    d_model = _length(tensors, "decoder.exp_emb.weight", 0)
    widths = _length(tensors, first + "slf_attn.w_qs.weight", 0)
    heads = _whole(settings, "n_head", 256)
    dropout = settings.get("dropout", EMOAVA.dropout)
    if widths % heads:
        raise ImportRefused(f"The checkpoint's attention is {widths} wide, which its {heads} heads cannot share.")
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0.0 <= dropout < 1.0:
        raise ImportRefused("The checkpoint's dropout is not a number from 0 to 1.")
    return ModelConfig(
        d_text=_length(tensors, first + "enc_attn.w_ks.weight", 1),
        d_model=d_model,
        d_inner=_length(tensors, first + "pos_ffn.w_1.weight", 0),
        heads=heads,
        d_head=widths // heads,
        layers=_layers(tensors),
        dropout=float(dropout),
        d_latent=_length(tensors, first + "down_mu.weight", 0),
        expression_attention="official",
        utterance_latent=0,
        emotion_width=0,
        plan_width=0,
        timing=False,
        stop_head=False,
        readout_noise=EMOAVA.readout_noise,
        max_frames=_length(tensors, "decoder.position_enc.pos_table", 1),
    )


def bert_config(settings: Mapping[str, object]) -> dict[str, Any]:
    """Return the text encoder's configuration in transformers' words, from the BertModel inside ``settings``.

    Raises ImportRefused when there is none or it is not a plain BERT.
    """
    model = settings.get("encoder_pretrained")
    if not isinstance(model, StandIn) or model.kind.path != BERT_CLASS:
        raise ImportRefused("The checkpoint's settings hold no BertModel: its text encoder's sizes are not known.")
    try:
        config = model.attribute("config")
    except KeyError:
        config = None
    state = config.state if isinstance(config, StandIn) else None
    if not isinstance(state, dict):
        raise ImportRefused("The checkpoint's BertModel has no configuration.")
    return bert_config_record(state)


def bert_config_record(state: Mapping[Any, object]) -> dict[str, Any]:
    """Return what is kept of a BERT's configuration; raises ImportRefused if it is not a plain one."""
    for name, expected in _BERT_FIXED.items():
        if not _is(state.get(name, expected), expected):
            raise ImportRefused(
                f"The checkpoint's BertModel has another {name} than {expected}: only plain BERT is known."
            )
    if not any(_is(state.get("hidden_act"), known) for known in _ACTIVATIONS):
        raise ImportRefused("The checkpoint's BertModel has an activation that is not one of BERT's.")
    epsilon = state.get("layer_norm_eps")
    if not isinstance(epsilon, float) or not 0.0 < epsilon < 1.0:
        raise ImportRefused("The checkpoint's BertModel has no usable layer_norm_eps.")
    return {
        "model_type": "bert",
        "architectures": ["BertModel"],
        **{name: _whole(state, name, most) for name, most in _BERT_SIZES.items()},
        "hidden_act": state["hidden_act"],
        "layer_norm_eps": epsilon,
        "pad_token_id": 0,
    }


def _layers(tensors: Mapping[str, StoredTensor]) -> int:
    found = {re.match(rf"{re.escape(LAYER_PREFIX)}(\d+)\.", name) for name in tensors}
    indices = {int(match[1]) for match in found if match}
    if indices != set(range(len(indices))) or not indices:
        raise ImportRefused("The checkpoint's decoder layers are not numbered from 0 without gaps.")
    return len(indices)


def _length(tensors: Mapping[str, StoredTensor], name: str, axis: int) -> int:
    tensor = tensors.get(name)
    if tensor is None or len(tensor.shape) <= axis or not 0 < tensor.shape[axis] <= 1 << 16:
        raise ImportRefused(f"The checkpoint's weight {name} is missing or has no usable shape.")
    return tensor.shape[axis]


def _whole(values: Mapping[Any, object], name: str, most: int) -> int:
    value = values.get(name)
    if type(value) is not int or not 0 < value <= most:
        raise ImportRefused(f"The checkpoint's settings have no usable {name}.")
    return value


def _is(value: object, expected: object) -> bool:
    return type(value) is type(expected) and value == expected


def _said(value: object) -> str:
    return shown(repr(value)) if isinstance(value, (str, int, float, type(None))) else a_kind_of(value)
