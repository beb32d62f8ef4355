"""What people type beside `sam` and `docker`."""
