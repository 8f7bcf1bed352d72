"""What the user says, parsed once: flags, recipes, the model behind a name. Nothing here imports torch."""
