"""A child for tests: says its number, sleeps, dies, or repeats what it hears."""

import os
import time

from axon.tracker.child import serve_parent


def answer(question: bytes) -> bytes:
    if question == b"pid":
        return str(os.getpid()).encode()
    if question == b"sleep":
        time.sleep(10)
    if question == b"die":
        os._exit(1)
    return question


if __name__ == "__main__":
    serve_parent(answer)
