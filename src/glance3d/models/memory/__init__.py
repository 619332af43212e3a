"""The memory of a forward pass: planned before it, and mended when it runs out."""
