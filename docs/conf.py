"""How the manual is built: Sphinx, with pages in MyST Markdown and the Furo theme."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

project = _PROJECT["name"]
author = "the pipeline_net authors"
copyright = f"2026, {author}"
release = version = _PROJECT["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
# Limits and ClientOptions mean another class in each protocol; a signature that says so links to one of them.
suppress_warnings = ["ref.python"]
nitpicky = False  # type parameters such as InboundOut have no page of their own to link to

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"  # the files are written to be read from top to bottom
autodoc_typehints = "signature"
autodoc_default_options = {"show-inheritance": True}

html_theme = "furo"
html_title = f"pipeline_net {release}"


def _keep_the_first_line(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before the first colon for the type of an attribute; ours are sentences."""
    if what in {"attribute", "property", "data"}:
        lines[:0] = ["..", ""]  # an empty comment


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _keep_the_first_line, priority=400)  # napoleon's is 500
