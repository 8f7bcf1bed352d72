"""One run, from what it is told to its report; and finished runs, read back."""
