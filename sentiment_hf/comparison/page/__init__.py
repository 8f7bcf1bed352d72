"""The result of a comparison as a page with tables and pictures."""
