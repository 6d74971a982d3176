"""`hythe connect`: telnet and nc in one."""
