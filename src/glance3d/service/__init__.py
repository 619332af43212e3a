"""A local service: photos from a browser or another program become scenes, one job at a time.

``jobs/`` are jobs on the disk, ``running/`` makes each in a process of its own, ``http/`` is what
clients see. Importing this loads nothing heavy. Needs the extra ``serve``.
"""
