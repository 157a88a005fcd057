"""Errors that a user can mend, and how a command ends on one."""

import functools
import sys
from collections.abc import Callable


class InputError(ValueError):
    """A wrong key, value or file: the message names it, its value and the rule."""


def require(condition: bool, key: str, value: object, rule: str) -> None:
    """Raise an InputError that names ``key``, ``value`` and ``rule`` unless ``condition`` holds."""
    if not condition:
        raise InputError(f"{key}: {value!r} {rule}")


def command(main: Callable[[], None]) -> Callable[[], None]:
    """Let ``main`` end in one line and exit status 1 on an InputError, 130 on Ctrl-C."""

    @functools.wraps(main)
    def wrapped() -> None:
        try:
            main()
        except InputError as error:
            print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)

    return wrapped
