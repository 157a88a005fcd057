"""One command for each stage of dvc.yaml: it reads files, calls its folder, writes files.

No stage imports another.
"""

import gc
import sys

from pipeline.workspace import warm

gc.disable()
"""While a stage imports, looking for garbage takes a quarter of the time and finds none;
``pipeline.errors.command`` turns it on again."""

if sys.argv[0] == "-m" in sys.orig_argv:  # Python is about to run a stage
    warm.hand_over(sys.orig_argv[sys.orig_argv.index("-m") + 1], sys.argv[1:])
