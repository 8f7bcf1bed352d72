"""Programs of other libraries, as their users write them; each is a process of its own."""
