"""The ledger: what happened to each scene, told in small files that are created and never changed.

Importing this loads nothing heavy.
"""
