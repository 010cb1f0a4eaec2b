"""`transfers worker`: the one process that does the whole job. `--check` only says what keeps it from running."""

import sys

from epay_transfers.runtime import garbage, heap, output

with output.guarded():  # before anything that could open a connection
    garbage.wait()
    heap.keep_few_arenas()
    from epay_transfers.worker.startup import main

    garbage.search()
    sys.exit(main(only_check=sys.argv[1:] == ["--check"]))
