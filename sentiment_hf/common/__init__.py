"""What every station uses: errors, files, and the names of all files of a run."""
