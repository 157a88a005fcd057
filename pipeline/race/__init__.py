"""Stages ``pilot`` and ``train``: batch sizes raced to what one of them reached.

The batch size whose training takes the fewest examples, the pilot, trains whole; what it reached,
or the largest one where that gets less far, is the bar that the others are raced to. Once one rate
has more than half of its seeds at the bar, nothing beyond the ``horizon`` that this sets is looked
at by whoever chooses rates, so that all trainings stop there: the recorded part, and what is chosen
from it, are those of the whole trainings. An automatic target is never harder than the bar.
"""
