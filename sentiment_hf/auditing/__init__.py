"""What is wrong with the data: labels, copies, leaks, odd texts; a table to review and a page to read."""
