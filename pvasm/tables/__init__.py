"""The C tables of an instance as C: the header that declares them, and the source that defines and installs them."""
