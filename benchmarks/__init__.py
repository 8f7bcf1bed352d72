"""What is measured, by `make bench` and one by one. A package, or another one of this name would be found first."""
