"""What markitdown makes of documents, run in an environment of its own: paths on stdin, one JSON object a line."""

from __future__ import annotations

import json
import sys
import time

from markitdown import MarkItDown


def main() -> None:
    """Convert each file that is named."""
    reader = MarkItDown(enable_plugins=False)
    for line in sys.stdin:
        path = line.rstrip("\n")
        start = time.process_time()
        try:
            text = reader.convert(path).text_content
        except Exception as error:  # whatever a library raises is this file's row
            text, reason = None, f"{type(error).__name__}: {str(error)[:100]}"
        else:
            reason = ""
        row = {"path": path, "text": text, "reason": reason, "seconds": time.process_time() - start}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
