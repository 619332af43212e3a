"""Names of photos: unique ones, those in exports, and those that a user types."""
