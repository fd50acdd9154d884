#!/usr/bin/env python
from photometry.programs.prepare_photometry import main

if __name__ == '__main__':
    raise SystemExit(main())
