"""One command for each stage of dvc.yaml: it reads files, calls its folder, writes files.

No stage imports another.
"""

import gc

gc.disable()
"""While a stage imports, looking for garbage takes a quarter of the time and finds none;
``pipeline.errors.command`` turns it on again."""
