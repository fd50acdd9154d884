#!/usr/bin/env python
from photometry.programs.make_catalog import main

if __name__ == '__main__':
    raise SystemExit(main())
