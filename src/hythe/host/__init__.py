"""One host: interfaces, routes, demultiplexing, UDP and ICMP around the connections of `hythe.tcp`. Sans-I/O."""
