"""Many intents at once, from CSV or JSON lines: checked whole first, then enqueued, then what became of each."""
