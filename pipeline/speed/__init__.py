"""Stage ``throughput``: seconds and bytes of one training at a time.

torch and numpy but for ``table``; it imports no lanes.
"""
