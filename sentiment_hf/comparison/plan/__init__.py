"""From the flags of compare to finished runs."""
