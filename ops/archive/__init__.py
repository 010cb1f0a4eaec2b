"""`transfers archive`: the files that details go into, and the run that exports, verifies and reduces."""
