"""The suite behind docs/performance.md: this program beside others, by turns on one machine."""
