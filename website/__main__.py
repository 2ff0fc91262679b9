"""Makes the site: `python -m website FOLDER`. It needs `pip install pvasm[docs]`, and no network.

The folder gets `pages` (what Sphinx reads) and `html` (the site; `html/index.html` opens it).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from website import documents, links, reference
from website.documents import ROOT


def write_pages(folder: Path) -> None:
    """Writes what Sphinx reads: pages stand as in the tree, so that their links hold."""
    made = reference.pages()
    guide, project = documents.guide(), documents.about_the_project()
    pages = {**documents.texts([*guide, *project]), **made}
    trees = (("Guide", guide), ("Reference", reference.indexes(made)), ("Project", project))
    pages["index.md"] = "\n".join((documents.texts(["README.md"])["README.md"], *(_tree(*each) for each in trees)))
    for path, text in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path in set(documents.linked_files(pages)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)


def _tree(caption: str, paths: Iterable[str]) -> str:
    return "\n".join(("```{toctree}", ":hidden:", f":caption: {caption}", "", *paths, "```", ""))


def build(folder: Path) -> int:
    """Makes the site in a folder, which is emptied; the exit status: 0 if no link leads nowhere."""
    if (folder / "pages").exists():
        shutil.rmtree(folder / "pages")
    write_pages(folder / "pages")
    strictly = ("-b", "html", "-q", "-W", "--keep-going", "-n")
    where = map(str, ("-c", ROOT / "website", "-d", folder / "doctrees", folder / "pages", folder / "html"))
    status = subprocess.run([sys.executable, "-m", "sphinx", *strictly, *where], check=False)
    found = sorted(links.flaws(folder / "html")) if (folder / "html").exists() else []
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else status.returncode


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m website FOLDER")
    sys.exit(build(Path(sys.argv[1])))
