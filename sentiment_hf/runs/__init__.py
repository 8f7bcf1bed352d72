"""Makes one run, from its settings to its report, and reads finished runs."""
