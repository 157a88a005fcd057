"""Stage ``report``, the computing: tables in, numbers out, in one frozen ``Study``.

No torch, no figure, no file: whatever is fitted is fitted here.
"""
