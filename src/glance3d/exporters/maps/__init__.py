"""One picture a photo: depth maps and masks."""
