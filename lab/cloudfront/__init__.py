"""CloudFront: MiniStack has its API; here are the edges, which answer visitors."""
