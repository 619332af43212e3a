"""Which known camera belongs to which photo, in the pixels of the upright photo."""
