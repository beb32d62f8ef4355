"""What a person has who uses the lab: sam, a mail box, a resolver, a browser, a deployed stack."""
