"""Transports behind the protocol Workers: in this process, in children on this machine."""
