"""Where photos were taken, in the frame of a scene that stays as it is."""
