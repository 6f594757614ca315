"""The stand-in SageMaker: the real SDK and boto3 against moto on loopback, with jobs that really run."""
