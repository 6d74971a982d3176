"""One TCP connection, sans-I/O: it is given segments and the time, and gives back segments and the next deadline."""
