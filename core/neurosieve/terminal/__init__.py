"""What people see in a terminal, a file a command."""
