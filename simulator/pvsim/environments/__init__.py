"""Where variants run: on bare hardware, or under a hypervisor that an environment's file describes."""
