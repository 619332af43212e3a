"""Damaged and hostile files for everything that reads one: ``python -m tests.fuzz --help``.

A seed set is drawn for every reader (:mod:`.readers`), its files are mutated (:mod:`.mutations`),
and each is read in a process with little memory and little processor time (:mod:`.worker`). There
are two good outcomes: a result, or a ``Glance3DError``. An input is named by reader, seed and
number.
"""
