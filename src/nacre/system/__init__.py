"""What the operating system gives: files, SQLite, addresses, child processes and their walls."""
