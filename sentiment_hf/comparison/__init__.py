"""Finished runs side by side: what each is worth, what it costs, and which differences are more than chance."""
