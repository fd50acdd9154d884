"""The parts of the stage that prepares cubes."""
