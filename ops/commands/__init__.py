"""The commands: one noun a file, each with an `app` that `ops.cli` mounts. The mount imports none."""
