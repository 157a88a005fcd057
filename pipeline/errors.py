"""Errors that a user can mend, and how a command ends on one."""

import errno
import functools
import gc
import sys
from collections.abc import Callable

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
"""What the system says where nothing can be written: full, beyond a quota, read-only, forbidden."""
WRITTEN = ("data/processed/", "results/", "runs/")
"""Where stages write."""


class InputError(ValueError):
    """A wrong key, value or file: the message names it, its value and the rule."""


def require(condition: bool, key: str, value: object, rule: str) -> None:
    """Raise an InputError that names ``key``, ``value`` and ``rule`` unless ``condition`` holds."""
    if not condition:
        raise InputError(f"{key}: {value!r} {rule}")


def command(main: Callable[[], None]) -> Callable[[], None]:
    """Let ``main`` end in one line and exit status 1 on an InputError, where the disk takes nothing
    and where a stage before it has not run, 130 on Ctrl-C.

    It turns the collection of garbage on again, and takes what was imported by then out of it,
    which at the end of a process would take longer than many a stage's work.
    """
    gc.freeze()
    gc.enable()

    @functools.wraps(main)
    def wrapped() -> None:
        try:
            main()
        except InputError as error:
            print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
            sys.exit(1)
        except OSError as error:
            is_to_come = error.errno == errno.ENOENT and str(error.filename).startswith(WRITTEN)
            if error.errno not in DISK and not is_to_come:
                raise
            why = "missing; `dvc repro` makes it" if is_to_come else error.strerror
            print(f"error: {error.filename or 'disk'}: {why}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)

    return wrapped
