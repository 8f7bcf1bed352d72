"""Many runs side by side: `plan` makes them, `statistics` judges them, `page` shows the result."""
