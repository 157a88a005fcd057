"""Asking git."""

import subprocess


def git(*arguments: str) -> str | None:
    """What a git command prints; None where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None
