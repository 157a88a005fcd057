"""One command for each stage of dvc.yaml: it reads files, calls its folder, writes files.

No stage imports another.
"""
