"""Stage ``report``, the showing: a ``Study`` in, bytes out.

Nothing is fitted here.
"""
