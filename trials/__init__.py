"""What pushlive is put through."""
