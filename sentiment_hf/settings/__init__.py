"""Parse flags and recipes into a `RunSpec`, and the name of a model into a `ModelRef`, without importing torch."""
