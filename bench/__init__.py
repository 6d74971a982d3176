"""Measure hythe beside slirp4netns, pasta and the kernel's own loopback. Run with `make bench`."""
