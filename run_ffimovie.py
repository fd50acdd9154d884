#!/usr/bin/env python
from photometry.programs.ffimovie import main

if __name__ == '__main__':
    raise SystemExit(main())
