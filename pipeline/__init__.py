"""Which batch size and learning rate: stages, and a folder for what each needs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.from_python import recommend as recommend


def __getattr__(name: str) -> Any:
    """``recommend``, imported when it is asked for: no stage needs it."""
    if name == "recommend":
        from pipeline.from_python import recommend

        return recommend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
