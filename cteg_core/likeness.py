"""Takes near another take: how the noise that makes one performance differ from another is mixed.

A performance's manner is one draw of noise, the utterance latent's. A take near another gets a part of that one's
draw, so mixed that the variance stays 1; its noise from frame to frame and its timing stay its own.
"""

from __future__ import annotations

from typing import Final

from cteg_core.clip import Controls, ExpressionClip, Likeness

MAX_LIKE: Final = 16
"""Takes that one take can be near to; each generation of "more like this" adds one."""


def like_take(clip: ExpressionClip, likeness: float) -> tuple[Likeness, ...]:
    """Return what to ask for (``Controls.like``) to get takes near ``clip``.

    Args:
        clip: a take, which may itself have been made near others.
        likeness: correlation of the new takes' draws with the clip's, 0 to 1.

    Raises ValueError for any other likeness.
    """
    if not 0.0 <= likeness <= 1.0:
        raise ValueError(f"A likeness lies between 0 and 1; got {likeness}.")
    shares = shares_of(clip.seed, clip.controls)
    nearest = sorted(shares.items(), key=lambda item: -abs(item[1]))[:MAX_LIKE]
    return tuple(Likeness(seed, likeness * share) for seed, share in nearest if likeness * share > 0.0)


def shares_of(seed: int, controls: Controls) -> dict[int, float]:
    """Return how much of each seed's draw is in the draw of a take of ``seed``; the squares sum to 1."""
    shares = {each.seed: 0.0 for each in controls.like}
    for each in controls.like:
        shares[each.seed] += each.share
    own = max(0.0, 1.0 - sum(share**2 for share in shares.values())) ** 0.5
    if seed not in shares:
        return {**shares, seed: own}
    # The take's own draw is among those it is to be near to.
    shares[seed] += own
    total = sum(share**2 for share in shares.values()) ** 0.5
    return {each: share / total for each, share in shares.items()}
