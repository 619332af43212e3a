"""The folders in which data sets of protocols come, one module a layout: :mod:`.table`."""
