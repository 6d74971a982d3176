"""The gateway: what connects a command on a network of its own with the world, through ordinary sockets."""
