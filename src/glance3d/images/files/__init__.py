"""Files of pictures: which kind one is, and the one place where one is opened."""
