"""Whole commands, ended at any moment: ``python -m tests.kills --kills 40 --seed S``.

A command that writes over an earlier result is killed (SIGKILL) or asked to stop (SIGTERM) at a
moment that is drawn: just before one of its steps on the disk, so that no clock is involved. What
is left must be the earlier result or the new one, whole; the next run must leave nothing else, and
what is not ours must be as it was.
"""
