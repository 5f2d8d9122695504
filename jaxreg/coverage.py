"""Do the intervals cover? `python -m jaxreg.coverage`: the public door to `jaxreg.statistics.coverage`."""

import sys

from jaxreg.statistics.coverage import main

if __name__ == "__main__":
    sys.exit(main())
