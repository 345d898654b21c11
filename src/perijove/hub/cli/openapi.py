"""``perijove openapi``: prints the OpenAPI document of the REST API, from which clients can be generated."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from perijove.wire.prefixes import hub_prefix

OK = 0


def main(argv: Sequence[str]) -> int:
    """Carry out *argv*, what follows ``perijove openapi``, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="perijove openapi",
        description="Print the OpenAPI document of the REST API. A running hub serves it at <prefix>api/openapi.json.",
    )
    parser.add_argument("--base-url", metavar="PREFIX", default="/", help="the prefix of the installation")
    line = parser.parse_args(argv)
    from perijove.hub.web.app import api_document

    document = api_document(hub_prefix(line.base_url))
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return OK
