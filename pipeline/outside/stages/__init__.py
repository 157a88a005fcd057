"""The mains of the stages where another program trains."""

import gc

gc.disable()
"""As in ``pipeline.stages``."""
