"""``python -m perijove.proxy``: the same as ``perijove proxy``."""

import sys

from perijove.proxy.cli import main

sys.exit(main())
