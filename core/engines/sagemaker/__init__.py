"""Jobs on Amazon SageMaker, by the SageMaker Python SDK v3 and boto3. Nothing here imports them before first use."""
