"""The documentation as a site: the documents of this tree, and a reference made of the code."""
