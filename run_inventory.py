#!/usr/bin/env python
from photometry.programs.inventory import main

if __name__ == '__main__':
    raise SystemExit(main())
