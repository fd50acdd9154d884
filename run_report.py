#!/usr/bin/env python
from photometry.programs.report import main

if __name__ == '__main__':
    raise SystemExit(main())
