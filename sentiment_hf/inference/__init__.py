"""Uses of finished runs: classification of texts, ensembles, and measurement of speed."""
