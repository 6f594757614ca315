"""What is done with a trained model: saved as a file, served on this machine, put to work on a folder."""
