"""A finished model as a service."""
