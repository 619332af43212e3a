"""Multi-view geometry as pure, batched functions of tensors: no parameters, no files."""
