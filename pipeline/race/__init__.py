"""Stages ``bar`` and ``train``: batch sizes raced to what the largest of them reached.

The largest batch size, the pilot, trains whole; what it reached is the bar that the others are
raced to. Once one rate has more than half of its seeds at the bar, nothing beyond the ``horizon``
that this sets is looked at by whoever chooses rates, so that all trainings stop there: the
recorded part, and what is chosen from it, are those of the whole trainings. An automatic target is
never harder than the bar.
"""
