"""Print docs/data-dictionary.md."""

import sys

from dub_source.dictionary.markdown import as_markdown

sys.stdout.write(as_markdown())
