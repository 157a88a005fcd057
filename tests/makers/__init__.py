"""Shared makers of projects, data, packs, tables and studies; tests import them, nothing else."""
