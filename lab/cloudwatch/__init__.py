"""What CloudWatch measures of functions and queues, read from their logs and contents."""
