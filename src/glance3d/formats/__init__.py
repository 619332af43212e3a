"""File formats, each once: the records of a file, its reader and its writer side by side.

``exporters`` turns scenes into records, ``known_cameras`` records into known cameras.
"""
