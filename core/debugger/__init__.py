"""Rules on jobs: which run, what they found, and what was saved for them."""

import os

# The window and the command line must not bring smdebug in, and torch with it (training_scripts/debugger/base.py).
os.environ.setdefault("SAGEHOUND_RULE_BASE", "own")
