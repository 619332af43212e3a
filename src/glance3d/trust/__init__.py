"""How far each photo of a scene can be trusted, and why."""
