"""Amazon SageMaker through sagemaker.core and boto3."""
