"""The Predict page: pictures in, classes out."""
