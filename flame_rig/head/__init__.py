"""The project's own head: generated from tables and formulas, stored in the FLAME layout.

Inside this package lengths are centimetres (x to the subject's left, y up, z out of the face, the
origin between the eyes); ``build_head`` hands out metres. The head is CC0-1.0.
"""

from flame_rig.head.assembly import build_head

__all__ = ["build_head"]
