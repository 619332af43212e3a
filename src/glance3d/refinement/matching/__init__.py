"""From photos to verified matches: features, the view graph, and cameras that photos share."""
