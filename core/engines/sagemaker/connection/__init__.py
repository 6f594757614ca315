"""Connect to an AWS account: sessions, identity, bucket, role, preflight, and what errors mean."""
