"""Which words speak for and against an output of a model."""
