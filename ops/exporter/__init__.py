"""`transfers exporter`: the facts and the judgements of `transfers overview`, for Prometheus."""
