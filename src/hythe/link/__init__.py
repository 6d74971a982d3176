"""Where packets come from and go to: devices, and middleware that stacks on them."""
