"""What runs a trial: workers on this machine, or a shell command. `base` has the contract of both."""
