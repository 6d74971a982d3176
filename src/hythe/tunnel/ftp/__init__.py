"""FTP's control channel, followed between a client and a server (RFC 959, RFC 2428), so that its data ports can be mapped.

`messages` is lines, commands and replies; `control` follows both directions and says what is to be done about data
connections. Neither knows sockets; `hythe.via.ftp` is the shell.
"""
