"""The tables of published names, one for each architecture, and what they share."""
