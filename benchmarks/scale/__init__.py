"""How time, memory and disk grow with the photos: measured here, and on paper for clusters."""
