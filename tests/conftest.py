"""Hypothesis profiles: `quick` (default, CI), `long` (`make test LONG=1`)."""

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
# Quick runs try the same examples each time, so what fails was broken by the change; long ones search.
settings.register_profile(
    "quick", max_examples=30, deadline=None, suppress_health_check=_SLOW, derandomize=True
)
settings.register_profile("long", max_examples=1000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("quick")
