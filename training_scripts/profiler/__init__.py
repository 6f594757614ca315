"""What a job tells about its own speed: a sampler of the machine and a trace of its steps, in SageMaker's formats."""
