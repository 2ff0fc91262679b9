"""What Sphinx is told: `python -m website` runs it."""

from pvasm import __version__

project = "pvasm"
version = release = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4  # as GitHub makes them: links in the documents hold here and there
smartquotes = False  # options begin with two dashes
suppress_warnings = ["misc.highlighting_failure"]  # assembly that is shown may be C by name alone
html_theme = "furo"  # its fonts are the reader's own
html_title = f"pvasm {__version__}"
html_copy_source = False
html_show_copyright = False
