"""Sentences and tables of words, made from a ``Study``."""
