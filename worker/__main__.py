"""`python -m worker`: the one process that does the whole job."""

import sys

from worker.process import main

sys.exit(main())
