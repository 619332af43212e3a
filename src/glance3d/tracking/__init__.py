"""Points followed through the photos, from any of them."""
