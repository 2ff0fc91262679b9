"""What is paravirtualized, and how: the catalog of ops, and the instances that define them."""
