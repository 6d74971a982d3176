"""hythe: a TCP/IP host in user space."""
