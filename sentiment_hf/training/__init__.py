"""From a model and data to trained weights, safe to interrupt."""
