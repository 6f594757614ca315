"""What runs inside a job, unchanged, here and in a SageMaker container."""
