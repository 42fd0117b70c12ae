"""The site: ``sphinx-build -W docs SITE``. Nothing is loaded from elsewhere, neither to build nor to read it.

Tutorials run while it is built, so that what they show is what this version does; ``HEPBALER_DOCS_RUN=off`` leaves
their outputs out for a quick look at the pages.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
from docutils import nodes
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective

from hepbaler.cli.app import cli
from hepbaler.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
CHECKOUT = DOCS.parent

project = "hepbaler"
author = copyright = "The hepbaler developers"  # noqa: A001 - Sphinx wants this name
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["conf.py", "_build"]

# Our docstrings: numpydoc, types in the signature, `name` for anything that has one.
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
# Attributes of a record are a list, not objects of their own.
napoleon_use_ivar = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
python_display_short_literal_types = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "off" if os.environ.get("HEPBALER_DOCS_RUN") == "off" else "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True

html_theme = "furo"
html_title = "hepbaler"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
# The page, not a mirror of its source.
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Described all the same where they are not installed.
autodoc_mock_imports = ["coffea", "dask_awkward"]

# A link of Markdown to a file.
_LINK = re.compile(r"(?<=\]\()(?![a-z]+://|#|/)([^)#\s]+)")


def _write(path: Path, text: str) -> None:
    """Write a page unless it is there already: what did not change is not built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _gather(_: Sphinx) -> None:
    """Make pages of tutorials, examples and the changelog, which live beside the docs."""
    for tutorial in sorted((CHECKOUT / "tutorials").glob("*.py")):
        _write(DOCS / "tutorials" / tutorial.name, tutorial.read_text(encoding="utf-8"))
    _write(DOCS / "changelog.md", (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "]("))
    for readme in sorted((CHECKOUT / "examples").glob("*/README.md")):
        folder = readme.parent
        page = readme.read_text(encoding="utf-8")
        for script in sorted(folder.glob("*.py")):
            page += f"\n## {script.name}\n\n```{{literalinclude}} ../../examples/{folder.name}/{script.name}\n"
            page += ":language: python\n```\n"
        _write(DOCS / "examples" / f"{folder.name}.md", page)


def _place_of(link: str, page: str) -> str:
    """Turn a link that is right in the checkout into one that is right on the site."""
    home, _, name = page.partition("/")
    # Where the page's text lives in the checkout.
    at = (
        f"examples/{name}" if home == "examples" else home if home == "tutorials" else posixpath.dirname(f"docs/{page}")
    )
    target = posixpath.normpath(posixpath.join(at, link))
    if target.startswith("docs/"):
        return "/" + target.removeprefix("docs/")
    if target.startswith("examples/") and (CHECKOUT / target / "README.md").is_file():
        return f"/{target}.md"
    return f"/{target}"


def _mend_links(_: Sphinx, page: str, source: list[str]) -> None:
    source[0] = _LINK.sub(lambda match: _place_of(match.group(1), page), source[0])


class Verbs(SphinxDirective):
    """A section for each verb of the command, with the help that it prints: aligned, in the order of use."""

    def run(self) -> list[nodes.Node]:
        """Nodes of all sections."""
        top = click.Context(cli, info_name="hepbaler", max_content_width=88)
        return [self.section(cli.commands[name], top) for name in cli.list_commands(top)]

    def section(self, command: click.Command, parent: click.Context) -> nodes.Node:
        """One verb, and below it the verbs that it has itself."""
        context = click.Context(command, info_name=command.name, parent=parent, max_content_width=88, terminal_width=88)
        context.help_option_names = ["-h", "--help"]
        section = nodes.section(ids=[nodes.make_id(context.command_path)])
        section += nodes.title(text=context.command_path)
        section += nodes.literal_block(text=command.get_help(context), language="text")
        if isinstance(command, click.Group):
            section += [self.section(command.commands[name], context) for name in command.list_commands(context)]
        return section


_ELSEWHERE = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["'](?:https?:)?//[^"']+""")


def _refuse_what_loads_from_elsewhere(app: Sphinx, error: Exception | None) -> None:
    """Refuse a site that is not whole without a network."""
    if error is not None or app.builder.format != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        found = _ELSEWHERE.findall(path.read_text(encoding="utf-8"))
        if found:
            msg = f"{path} loads from elsewhere: {found[0]}"
            raise SphinxError(msg)
    for path in sorted(Path(app.outdir).rglob("*.css")):
        if re.search(r"(?:@import\s*|url\()[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")):
            msg = f"{path} loads from elsewhere"
            raise SphinxError(msg)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect what is above."""
    app.add_directive("verbs", Verbs)
    app.connect("builder-inited", _gather)
    app.connect("source-read", _mend_links)
    app.connect("build-finished", _refuse_what_loads_from_elsewhere)
    return {"parallel_read_safe": True}
