"""Property tests of the gateway judge results, never the time that one example takes on a busy machine."""

from hypothesis import settings

settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")
