"""What a label is: its loss, its decision, its scores, how it is written and read."""
