"""What a report says of a scene that is being made: how, of which photos, and what to doubt."""
