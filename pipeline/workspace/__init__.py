"""The project's folder on disk and the processes of this machine.

Stages read, write and fork through it; it knows no torch.
"""
