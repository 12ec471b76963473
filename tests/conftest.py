"""For every test: hypothesis judges results, never the speed of the machine that the tests run on."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("cteg", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("cteg")
