"""Names of photos: unique ones, those that exports use, and those that a person types."""
