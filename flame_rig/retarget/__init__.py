"""Maps between expression spaces, solved from the geometry of two faces.

``solve_space_map(flame_model)`` brings a FLAME mesh and the project's head into correspondence, carries the 52
ARKit shapes over, and fits FLAME's coefficients and jaw to them; the ``SpaceMap`` it returns turns frames of
either space into the other's.
"""

from flame_rig.retarget.solve import LEAST_EXPLAINED, solve_space_map
from flame_rig.retarget.space_map import ShapeFit, SpaceMap

__all__ = ["LEAST_EXPLAINED", "ShapeFit", "SpaceMap", "solve_space_map"]
