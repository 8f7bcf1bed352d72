"""From finished runs to scores with intervals, paired tests, rankings and advice."""
