"""Stages ``train`` and ``confirm``: many trainings of the same shapes at once.

``trainings.train`` is the door. From there a training goes through workers (processes), pieces
(memory) and run (steps and evaluations) to step (one step of all lanes).
"""
