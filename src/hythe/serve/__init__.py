"""`hythe serve`: a web server, and the classic small services."""
