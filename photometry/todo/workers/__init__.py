"""Transports behind the protocol Workers: in this process, in its children, in the ranks of an MPI job."""
