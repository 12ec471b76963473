"""Files that strangers wrote: pickles, PyTorch checkpoints and ``.npy``, read without running what they name.

A pickle is a program. :mod:`~flame_rig.untrusted.machine` runs it on a machine of its own that has no way to import,
call or set anything outside: a name in the file is looked up in a vocabulary of plain functions over plain data, or
becomes an inert stand-in that only keeps what it was given, or the file is refused.
"""
