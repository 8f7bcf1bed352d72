"""Search of settings: trials of one model, chosen by validation, with the recipe as the first of them."""
