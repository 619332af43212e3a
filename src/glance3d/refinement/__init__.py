"""A reconstruction goes in, a better one comes out: cameras that the photos themselves confirm."""
