"""A page to try models out."""
