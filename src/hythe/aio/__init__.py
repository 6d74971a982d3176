"""asyncio on a host: the driver (the one cycle and the one clock), transports, datagrams, and the public `Host`."""
