"""What `hythe netstat` shows: sockets of this machine and of sessions, interfaces, routes, statistics."""
