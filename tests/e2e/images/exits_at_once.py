"""A program that lacks a setting."""

raise SystemExit("DATABASE_URL is not set")
