"""The documents as a site: `sphinx-build -c docs/site -W -n . OUT`, from the top of a clone.

The clone is the source, so that the Markdown stays what it is on its own: links between documents, to reports, to files
of the code lead to the same places in the site, and one that leads nowhere ends the build.
"""

from __future__ import annotations

import jaxreg

project, author, copyright = "jaxreg", "jaxreg contributors", "2026, jaxreg contributors"
version = release = jaxreg.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/site/index"
include_patterns = ["*.md", "docs/*.md", "docs/site/*", "data/*/*.md", "reports/*.md", "reports/**/*.md", "sweeps/*.md"]
exclude_patterns = [".venv", "dist", "reports/notebook/study.md"]  # the last is a part of the report beside it

html_theme = "furo"
html_title = f"jaxreg {version}"

myst_heading_anchors = 3
default_role = "code"  # one backtick in a docstring
autodoc_typehints = "none"  # shapes and units stand in the docstrings
autodoc_member_order = "bysource"
napoleon_use_rtype = False
# What a docstring says a parameter is, in words; and other projects, whose sites a build does not ask.
nitpick_ignore_regex = [("py:(class|obj)", r"(?!jaxreg).*")]
