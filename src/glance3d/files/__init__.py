"""Files on disk: written whole or not at all, and read within bounds, whoever wrote them."""
