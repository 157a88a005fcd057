"""Stage ``evaluate``: how solutions generalise, how sharp they are, how noisy their gradients.

Measures alone; what they mean is said in ``analysis``.
"""
