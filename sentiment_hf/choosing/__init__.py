"""One command that chooses a model: a ladder from cheap to dear, climbed while it can pay."""
