"""One pipeline for text classifiers trained from scratch and fine-tuned ones; import from the module you mean."""

__version__ = "0.1.0"
