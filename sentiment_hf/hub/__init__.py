"""Writing to the Hub."""
