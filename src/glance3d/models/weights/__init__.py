"""Published weights: their cards, their names, and files read and written."""
