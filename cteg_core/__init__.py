"""Text to expression frames: CTEG, the Continuous Text-to-Expression Generator.

Light modules (lines, clips, protocol, speech plan) need numpy only; torch and transformers are
imported inside ``model``, ``training`` and the server alone.
"""

__version__ = "0.1.0"
