"""Normal equations of all views of a scene: whole matrices of few views, bands of many."""
