"""What a finished run is used for: scoring texts, alone or in an ensemble, and how fast it does."""
