#!/usr/bin/env python
from photometry.programs.merge_todo import main

if __name__ == '__main__':
    raise SystemExit(main())
