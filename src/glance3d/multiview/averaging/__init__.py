"""From relative poses of pairs of views to one pose for each view."""
