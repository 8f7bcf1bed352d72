"""What a model says of texts that are changed as users change them."""
