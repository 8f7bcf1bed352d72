"""Shared by all packages: errors, reading and writing of files, and the file names of a run."""
