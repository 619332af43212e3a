"""Where each cell of a view is in the others: by descriptors, then by the pictures themselves."""
