"""A KMS key from the connection to every object, the output and the disk."""

from __future__ import annotations

import dataclasses

from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.timing import Timing
from core.jobs.specs import CloudResources


def test_the_connections_key_encrypts_what_is_sent_and_what_comes(
    cloud, aws, workspace, paths, store, sagemaker_mini, unique
):
    kms, alias = aws.client("kms"), f"alias/{unique}"
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    source = sagemaker_mini.engine._creator._source
    engine = SageMakerEngine(paths, store, aws, dataclasses.replace(workspace, kms_key=alias), source, Timing(0.1, 0.3))
    sagemaker_mini = dataclasses.replace(sagemaker_mini, engine=engine)
    try:
        engine.start(sagemaker_mini.training("one", cloud=CloudResources("ml.m5.xlarge")))
        (request,) = cloud.asked("CreateTrainingJob")
        assert request["OutputDataConfig"]["KmsKeyId"] == alias
        assert request["ResourceConfig"]["VolumeKmsKeyId"] == key["Arn"]  # a disk takes no alias
        s3 = aws.client("s3")
        names = [item["Key"] for item in s3.list_objects_v2(Bucket=workspace.bucket)["Contents"]]
        ours = [name for name in names if "/datasets/" in name or "/code/" in name]
        assert len(ours) > 30
        heads = [s3.head_object(Bucket=workspace.bucket, Key=name) for name in ours]
        assert {(head["ServerSideEncryption"], head["SSEKMSKeyId"]) for head in heads} == {("aws:kms", alias)}
        sagemaker_mini.finished("one")
    finally:
        engine.close()
