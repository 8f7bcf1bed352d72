"""What is measured: `make bench`, and single questions; a package, or another one of this name would be found first."""
