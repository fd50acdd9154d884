"""Where pixels come from: sources and cutouts behind one interface."""
