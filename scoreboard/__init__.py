"""hythe's TCP and Linux's through the same emulated wire: goodput and fairness. Run with `make scoreboard`."""
